/*
 * hiredis_client.c - stores and reads back through hiredis: `hiredis_client PORT` with lines
 * KEY<tab>PATH on standard input; prints KEY<tab>SHA256 of what came back.
 */
#include <hiredis/hiredis.h>
#include <openssl/evp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS_MAX = 4096, LINE_BYTES = 8192 };

static void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static redisReply *checked(redisContext *c, redisReply *reply, int type)
{
    if (reply == NULL) {
        die("connection", c->errstr);
    }
    if (reply->type != type) {
        die("reply", reply->str == NULL ? "of another type" : reply->str);
    }
    return reply;
}

static void store(redisContext *c, const char *key, const char *path)
{
    FILE *in = fopen(path, "rb");
    if (in == NULL || fseek(in, 0, SEEK_END) != 0) {
        die(path, "cannot be read");
    }
    size_t size = (size_t)ftell(in);
    char *data = malloc(size + 1);
    rewind(in);
    if (data == NULL || fread(data, 1, size, in) != size) {
        die(path, "cannot be read");
    }
    fclose(in);
    freeReplyObject(checked(c, redisCommand(c, "SET %s %b", key, data, size), REDIS_REPLY_STATUS));
    free(data);
}

static void read_back(redisContext *c, const char *key)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len;
    redisReply *reply = checked(c, redisCommand(c, "GET %s", key), REDIS_REPLY_STRING);
    EVP_Digest(reply->str, (size_t)reply->len, digest, &len, EVP_sha256(), NULL);
    printf("%s\t", key);
    for (unsigned i = 0; i < len; i++) {
        printf("%02x", digest[i]);
    }
    putchar('\n');
    freeReplyObject(reply);
}

int main(int argc, char **argv)
{
    static char *keys[PAIRS_MAX];
    char line[LINE_BYTES];
    int count = 0;
    redisContext *c = redisConnect("127.0.0.1", argc > 1 ? atoi(argv[1]) : 6378);
    if (c == NULL || c->err != 0) {
        die("connect", c == NULL ? "no memory" : c->errstr);
    }
    while (count < PAIRS_MAX && fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *tab = strchr(line, '\t');
        if (tab == NULL) {
            die(line, "no tab in it");
        }
        *tab = '\0';
        store(c, line, tab + 1);
        keys[count++] = strdup(line);
    }
    for (int i = 0; i < count; i++) {
        read_back(c, keys[i]);
        free(keys[i]);
    }
    redisFree(c);
    return 0;
}
