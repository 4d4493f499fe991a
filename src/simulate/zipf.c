#include "simulate/zipf.h"

#include <math.h>
#include <stdbool.h>

static const double NEARLY_ZERO = 1e-8; /* below, a series is more exact than the quotient */

/* ln(1 + x) / x */
static double log1p_over(double x)
{
    return fabs(x) > NEARLY_ZERO ? log1p(x) / x : 1 - x / 2;
}

/* (e^x - 1) / x */
static double expm1_over(double x)
{
    return fabs(x) > NEARLY_ZERO ? expm1(x) / x : 1 + x / 2;
}

/* The hat, x^-exponent; */
static double hat(const struct ic_zipf *z, double x)
{
    return exp(-z->exponent * log(x));
}

/* its integral, (x^(1 - exponent) - 1) / (1 - exponent), ln x for an exponent of 1; */
static double integral(const struct ic_zipf *z, double x)
{
    double log_x = log(x);
    return expm1_over((1 - z->exponent) * log_x) * log_x;
}

/* and the inverse of that. */
static double inverse(const struct ic_zipf *z, double y)
{
    double t = y * (1 - z->exponent);
    return exp(log1p_over(t < -1 ? -1 : t) * y);
}

void ic_zipf_init(struct ic_zipf *z, uint64_t ranks, double exponent)
{
    z->exponent = exponent;
    z->ranks = (double)ranks;
    z->first = integral(z, 1.5) - 1;
    z->last = integral(z, z->ranks + 0.5);
    z->sure = 2 - inverse(z, integral(z, 2.5) - hat(z, 2));
}

uint64_t ic_zipf_next(const struct ic_zipf *z, struct ic_rng *rng)
{
    while (true) {
        double y = z->last + ic_rng_unit(rng) * (z->first - z->last);
        double x = inverse(z, y);
        double rank = floor(x + 0.5);
        rank = rank < 1 ? 1 : rank > z->ranks ? z->ranks : rank;
        if (rank - x <= z->sure || y >= integral(z, rank + 0.5) - hat(z, rank)) {
            return (uint64_t)rank - 1;
        }
    }
}
