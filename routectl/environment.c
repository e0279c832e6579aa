/* Shell text that is run by the user's shell with the user's rights, made of names that come from a configuration and URLs of strangers:
 * every value is quoted, the name of the key's variable must be a name, and a control character anywhere refuses the whole.
 *
 * The key's value is never in here: "${NAME-}" refers to it and lives through `set -u`. A platform without a key variable unsets the
 * client's own one, because what is in there belongs to another platform and must not be sent to this one. */
#include "routectl/environment.h"

#include <errno.h>
#include <string.h>

#include "shared/text.h"

#define NAME_MAX_LEN 128

bool environment_is_name(const char *name)
{
    if (!name || !((*name >= 'A' && *name <= 'Z') || (*name >= 'a' && *name <= 'z') || *name == '_'))
        return false;
    size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    return !name[len] && len <= NAME_MAX_LEN;
}

bool environment_is_line(const char *text)
{
    size_t len = text ? strlen(text) : 0;
    for (size_t i = 0; i < len;) {
        uint32_t c;
        i += text_decode(text + i, len - i, &c);
        if (c == TEXT_BROKEN || text_is_harmful(c))
            return false;
    }
    return len > 0;
}

static void add_export(struct buf *ret, const char *prefix, const char *name, const char *value)
{
    buf_printf(ret, "export %s%s=", prefix, name);
    text_shell_quote(ret, value);
    buf_add_char(ret, '\n');
}

int environment_write(const struct environment_route *route, struct buf *ret, struct err *err)
{
    const char *const lines[] = {route->platform, route->model, route->upstream_model, route->endpoint, route->dialect};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (!environment_is_line(lines[i]))
            return err_set(err, -EINVAL, "the route's names or URL hold characters that have no place in a shell");
    }
    if (route->key_env && !environment_is_name(route->key_env))
        return err_set(err, -EINVAL, "the key's variable has no name that a shell takes");
    const char *prefix = strcmp(route->dialect, "anthropic") == 0 ? "ANTHROPIC_" : strcmp(route->dialect, "openai") == 0 ? "OPENAI_" : NULL;
    if (!prefix)
        return err_set(err, -EINVAL, "no environment is known for the dialect %.40s", route->dialect);

    add_export(ret, prefix, "BASE_URL", route->endpoint);
    add_export(ret, prefix, "MODEL", route->upstream_model);
    if (route->key_env)
        buf_printf(ret, "export %sAPI_KEY=\"${%s-}\"\n", prefix, route->key_env);
    else
        buf_printf(ret, "unset %sAPI_KEY\n", prefix);
    add_export(ret, "PROBED_", "PLATFORM", route->platform);
    add_export(ret, "PROBED_", "MODEL", route->model);
    add_export(ret, "PROBED_", "DIALECT", route->dialect);
    return 0;
}
