/* Base URLs: what a platform's endpoint may be. A strict subset of RFC 3986, since a key is sent there.
 *
 * https anywhere; http only where the key cannot be read on its way: loopback and private addresses, localhost, or where the user
 * said insecure_http. No user and password (a secret in a file), no query and fragment (paths are appended), no blanks. Pure. */
#include "probed/config/parts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_private_v4(uint32_t a)
{
    return a >> 24 == 127 || a >> 24 == 10 || a >> 20 == 0xac1 || a >> 16 == 0xc0a8 || a >> 16 == 0xa9fe;
}

/* An address of this host or of a network of one's own, or localhost. */
static bool is_near(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    size_t len = strlen(host);
    if (strcasecmp(host, "localhost") == 0 || (len > 10 && strcasecmp(host + len - 10, ".localhost") == 0))
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return is_private_v4(ntohl(v4.s_addr));
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_LINKLOCAL(&v6) || (v6.s6_addr[0] & 0xfe) == 0xfc ||
               (IN6_IS_ADDR_V4MAPPED(&v6) && is_private_v4((uint32_t)v6.s6_addr[12] << 24 | (uint32_t)v6.s6_addr[13] << 16 |
                                                           (uint32_t)v6.s6_addr[14] << 8 | v6.s6_addr[15]));
    return false;
}

/* Splits host[:port] off at `text`; the host goes to `host` without brackets. */
static int take_host(const char *text, char *host, size_t size, struct err *err)
{
    struct in6_addr v6;
    bool bracket = text[0] == '[';
    const char *from = bracket ? text + 1 : text;
    size_t len = strcspn(from, bracket ? "]" : ":/");
    if (len == 0 || len >= size)
        return err_set(err, -EINVAL, "this URL has no host name");
    memcpy(host, from, len);
    host[len] = '\0';
    const char *rest = from + len;
    if (bracket) {
        if (*rest != ']' || inet_pton(AF_INET6, host, &v6) != 1)
            return err_set(err, -EINVAL, "\"[%.60s\" is no IPv6 address", host);
        rest++;
    } else if (strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") != len) {
        return err_set(err, -EINVAL, "\"%.60s\" is no host name (names in other scripts: write the xn-- form)", host);
    }
    if (*rest == ':') {
        size_t digits = strspn(rest + 1, "0123456789");
        long port = digits > 0 && digits <= 5 ? strtol(rest + 1, NULL, 10) : 0;
        rest += 1 + digits;
        if (port < 1 || port > 65535)
            return err_set(err, -EINVAL, "the port should be 1 to 65535");
    }
    return *rest == '\0' || *rest == '/' ? 0 : err_set(err, -EINVAL, "this is no URL: \"%.40s\" follows the host", rest);
}

int url_check(const char *text, bool http_anywhere, struct err *err)
{
    bool https = strncmp(text, "https://", 8) == 0;
    if (!https && strncmp(text, "http://", 7) != 0)
        return err_set(err, -EINVAL, "this should be a URL that begins with https:// (or http://)");
    const char *rest = text + (https ? 8 : 7);
    for (const char *p = rest; *p; p++)
        if (*p <= ' ' || *p > '~' || strchr("\"<>\\^`{|}", *p))
            return err_set(err, -EINVAL, "a character that no URL may hold; write it as %%xx");
    if (strpbrk(rest, "?#"))
        return err_set(err, -EINVAL, "a base URL has no \"?\" or \"#\": paths are appended to it");
    if (memchr(rest, '@', strcspn(rest, "/")))
        return err_set(err, -EINVAL, "a user or password in a URL: name where the key comes from in \"key:\" instead");
    char host[256];
    int e = take_host(rest, host, sizeof host, err);
    if (e < 0)
        return e;
    if (!https && !http_anywhere && !is_near(host))
        return err_set(err, -EINVAL,
                       "http:// would send the key in clear text: use https://, or say \"insecure_http: true\" for this platform");
    return 0;
}
