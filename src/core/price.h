/*
 * price.h - the one table of prices: what functions cost, and what the same bytes would
 * cost elsewhere. Dollars, us-east-1, list prices without free tiers. The directive
 * `prices` (name=value,name=value) overrides rows; doc/prices.md says how each was checked.
 *
 * A "gb" is AWS's: 2^30 bytes. A month is 730 hours.
 */
#ifndef IC_CORE_PRICE_H
#define IC_CORE_PRICE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* id, name, unit, dollars, source, when the figure was seen there ("" where no date was seen) */
/* clang-format off */
#define IC_PRICES(X) \
X(LAMBDA_X86_GB_SECOND, "lambda-x86_64-gb-second", "$ per GB and second", 0.0000166667, \
  "https://aws.amazon.com/lambda/pricing/", "2026-05-11") \
X(LAMBDA_ARM_GB_SECOND, "lambda-arm64-gb-second", "$ per GB and second", 0.0000133334, \
  "https://aws.amazon.com/lambda/pricing/", "2026-05-11") \
X(LAMBDA_2020_GB_SECOND, "lambda-2020-gb-second", "$ per GB and second, in 100 ms", 0.0000166667, \
  "https://www.usenix.org/conference/fast20/presentation/wang-ao", "2020-02") \
X(LAMBDA_MILLION, "lambda-million-requests", "$ per million invocations", 0.20, \
  "https://aws.amazon.com/lambda/pricing/", "2026-05-11") \
X(TRANSFER_GB, "transfer-zone-gb", "$ per GB out of a zone, and again into the other", 0.01, \
  "https://aws.amazon.com/ec2/pricing/on-demand/", "") \
X(PROXY_HOUR, "proxy-hour", "$ per proxy and hour: a c6gn.medium", 0.0432, \
  "https://aws.amazon.com/ec2/pricing/on-demand/", "") \
X(REDIS_SERVERLESS_GB_HOUR, "serverless-redis-gb-hour", "$ per GB and hour", 0.125, \
  "https://aws.amazon.com/elasticache/pricing/", "2026-06") \
X(REDIS_SERVERLESS_ECPUS, "serverless-redis-million-ecpus", "$ per million ECPUs", 0.0034, \
  "https://aws.amazon.com/elasticache/pricing/", "2026-06") \
X(REDIS_SERVERLESS_LEAST, "serverless-redis-least-gb", "GB metered at least", 1, \
  "https://aws.amazon.com/elasticache/pricing/", "2026-06") \
X(VALKEY_SERVERLESS_GB_HOUR, "serverless-valkey-gb-hour", "$ per GB and hour", 0.084, \
  "https://aws.amazon.com/elasticache/pricing/", "2026-06") \
X(VALKEY_SERVERLESS_ECPUS, "serverless-valkey-million-ecpus", "$ per million ECPUs", 0.0023, \
  "https://aws.amazon.com/elasticache/pricing/", "2026-06") \
X(VALKEY_SERVERLESS_LEAST, "serverless-valkey-least-gb", "GB metered at least", 0.1, \
  "https://aws.amazon.com/elasticache/pricing/", "2026-06") \
X(S3_GB_MONTH, "s3-gb-month", "$ per GB and month", 0.023, \
  "https://aws.amazon.com/s3/pricing/", "2026-03-13") \
X(S3_PUTS, "s3-thousand-puts", "$ per thousand PUTs", 0.005, \
  "https://aws.amazon.com/s3/pricing/", "") \
X(S3_GETS, "s3-thousand-gets", "$ per thousand GETs", 0.0004, \
  "https://aws.amazon.com/s3/pricing/", "") \
X(EXPRESS_GB_MONTH, "s3-express-gb-month", "$ per GB and month", 0.11, \
  "https://aws.amazon.com/s3/faqs/", "") \
X(EXPRESS_PUTS, "s3-express-thousand-puts", "$ per thousand PUTs", 0.00113, \
  "https://aws.amazon.com/s3/faqs/", "") \
X(EXPRESS_GETS, "s3-express-thousand-gets", "$ per thousand GETs", 0.00003, \
  "https://aws.amazon.com/s3/faqs/", "") \
X(EXPRESS_UPLOAD_GB, "s3-express-upload-gb", "$ per GB written", 0.0032, \
  "https://aws.amazon.com/s3/faqs/", "") \
X(EXPRESS_RETRIEVAL_GB, "s3-express-retrieval-gb", "$ per GB read", 0.0006, \
  "https://aws.amazon.com/s3/faqs/", "")

/* ElastiCache nodes for Redis OSS, on demand: type, GiB its `maxmemory` leaves, dollars per hour. */
#define IC_PRICE_NODES(X) \
X(T4G_MICRO,    "t4g.micro",      0.5,  0.016) \
X(T4G_SMALL,    "t4g.small",     1.37,  0.032) \
X(T4G_MEDIUM,   "t4g.medium",    3.09,  0.065) \
X(M7G_LARGE,    "m7g.large",     6.38,  0.158) \
X(M7G_XLARGE,   "m7g.xlarge",   12.93,  0.315) \
X(M7G_2XLARGE,  "m7g.2xlarge",  26.04,  0.629) \
X(M7G_4XLARGE,  "m7g.4xlarge",  52.26,  1.257) \
X(M7G_8XLARGE,  "m7g.8xlarge", 103.68,  2.514) \
X(M7G_12XLARGE, "m7g.12xlarge", 157.12, 3.77) \
X(M7G_16XLARGE, "m7g.16xlarge", 209.55, 5.028) \
X(R7G_LARGE,    "r7g.large",    13.07,  0.219) \
X(R7G_XLARGE,   "r7g.xlarge",   26.32,  0.437) \
X(R7G_2XLARGE,  "r7g.2xlarge",  52.82,  0.873) \
X(R7G_4XLARGE,  "r7g.4xlarge", 105.81,  1.745) \
X(R7G_8XLARGE,  "r7g.8xlarge", 209.55,  3.491) \
X(R7G_12XLARGE, "r7g.12xlarge", 317.77, 5.235) \
X(R7G_16XLARGE, "r7g.16xlarge", 419.09, 6.981) \
X(R6G_LARGE,    "r6g.large",    13.07,  0.206) \
X(R6G_XLARGE,   "r6g.xlarge",   26.32,  0.411) \
X(R6G_2XLARGE,  "r6g.2xlarge",  52.82,  0.821) \
X(R6G_4XLARGE,  "r6g.4xlarge", 105.81,  1.642) \
X(R6G_8XLARGE,  "r6g.8xlarge", 209.55,  3.284) \
X(R6G_12XLARGE, "r6g.12xlarge", 317.77, 4.925) \
X(R6G_16XLARGE, "r6g.16xlarge", 419.09, 6.567) \
X(R5_24XLARGE,  "r5.24xlarge", 635.61, 10.368)
/* clang-format on */

enum ic_price_id {
#define IC_PRICE_ENUM(id, ...) IC_PRICE_##id,
    IC_PRICES(IC_PRICE_ENUM) IC_PRICE_NODES(IC_PRICE_ENUM)
#undef IC_PRICE_ENUM
        IC_PRICE_COUNT,
    IC_PRICE_NODE_FIRST = IC_PRICE_T4G_MICRO,
    IC_PRICE_WHY_MAX = 2048, /* room for every name */
};

struct ic_price {
    const char *name, *unit;
    double dollars;
    double memory_gib; /* nodes only, else 0 */
    const char *source, *seen;
};
/* The table's row, with its list price. */
const struct ic_price *ic_price(enum ic_price_id id);

/* The prices of a process: the table, with what `prices` overrides. */
struct ic_prices {
    double dollars[IC_PRICE_COUNT];
};

void ic_prices_init(struct ic_prices *p); /* list prices */
/*
 * List prices, then TEXT's "name=value,name=value" ("" is none). IC_EINVAL: an unknown name or a
 * value that is no number of at least 0; WHY (WHY_SIZE bytes, IC_PRICE_WHY_MAX is enough) says
 * which, and the known names.
 */
int ic_prices_parse(struct ic_prices *p, const char *text, char *why, size_t why_size) IC_MUST_USE;

/* What one function costs; from prices, the directives `billing` and `architecture` (their indexes,
 * base/config.h) and its memory. */
struct ic_rate {
    double per_ms;         /* $ per billed millisecond */
    double per_invocation; /* $ */
    uint32_t granularity;  /* billed durations are multiples of so many ms */
};
struct ic_rate ic_prices_rate(const struct ic_prices *p, int billing, int architecture,
                              uint64_t memory_bytes);

/* The cheapest ElastiCache node type that holds BYTES; IC_PRICE_COUNT: none does. */
enum ic_price_id ic_prices_node(const struct ic_prices *p, uint64_t bytes);

#endif
