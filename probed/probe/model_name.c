/* Model names, compared as a tolerant reader would.
 *
 * Relays and vendors decorate one name in many ways; none of these is a difference:
 *
 *     a provider before it            openai/gpt-4o-mini, Pro/deepseek-ai/DeepSeek-V3, us.anthropic.claude-...
 *     a variant behind a colon        deepseek/deepseek-r1:free, ...-v1:0
 *     case, and . _ or blank for -    claude-sonnet-4.5
 *     a date or revision, either way  gpt-4o-mini-2024-07-18, claude-sonnet-4-5-20250929, gpt-4-0613, gemini-2.0-flash-001, -latest,
 * -preview a relay's own switch, asked     -thinking, -high, -ssvip: it is taken off before the request goes to the upstream
 *
 * What is left must be equal: gpt-4o is not gpt-4o-mini, claude-3 is not claude-3-5. A soft signal only, so a doubtful case counts as the
 * same. */
#include <ctype.h>
#include <string.h>

#include "probed/probe/model_name.h"
#include "shared/compiler.h"

#define NAME_MAX_LEN 160

static void normalise(char dst[NAME_MAX_LEN], const char *name)
{
    static const char *const vendors[] = {"anthropic.", "meta.", "amazon.", "mistral.", "deepseek.", "openai.", "cohere.", "qwen."};
    const char *slash = strrchr(name, '/');
    if (slash)
        name = slash + 1;
    for (size_t i = 0; i < ARRAY_LEN(vendors); i++) {
        const char *at = strcasestr(name, vendors[i]);
        if (at)
            name = at + strlen(vendors[i]);
    }
    size_t n = 0;
    for (; *name && *name != ':' && n + 1 < NAME_MAX_LEN; name++) {
        char c = *name;
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        dst[n++] = c == '.' || c == '_' || c == ' ' || c == '@' ? '-' : c;
    }
    dst[n] = '\0';
}

/* "-" and three to eight digits, or two digits of a date: how long it is at p, 0 = something else. */
static size_t date_part(const char *p)
{
    size_t n = 1;
    while (isdigit((unsigned char)p[n]))
        n++;
    return p[n] == '-' || p[n] == '\0' ? (n >= 3 && n <= 9 ? n : 0) : 0;
}

static size_t word_part(const char *p, const char *const *words, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        size_t n = strlen(words[i]);
        if (strncmp(p + 1, words[i], n) == 0 && (p[1 + n] == '-' || p[1 + n] == '\0'))
            return 1 + n;
    }
    return 0;
}

/* Whether `rest` consists of nothing but decoration. */
static bool is_decoration(const char *rest, bool asked)
{
    static const char *const revisions[] = {"latest", "preview", "exp", "experimental", "v1", "v2"};
    static const char *const switches[] = {
        "thinking", "nothinking", "high", "medium", "low", "minimal", "search", "free", "official", "ssvip", "guan", "cc",
    };
    while (*rest == '-') {
        size_t n = date_part(rest);
        if (n == 0)
            n = word_part(rest, revisions, ARRAY_LEN(revisions));
        if (n == 0 && asked)
            n = word_part(rest, switches, ARRAY_LEN(switches));
        if (n == 0)
            return false;
        rest += n;
    }
    return *rest == '\0';
}

bool model_name_same(const char *asked, const char *echoed)
{
    char a[NAME_MAX_LEN], e[NAME_MAX_LEN];
    if (strcmp(asked, echoed) == 0)
        return true;
    normalise(a, asked);
    normalise(e, echoed);
    size_t same = 0;
    while (a[same] && a[same] == e[same])
        same++;
    /* Back to where a part ends in both, so that "-2024-07-18" and "-2024-08-06" are both looked at whole. */
    while (same > 0 && !((a[same] == '-' || !a[same]) && (e[same] == '-' || !e[same])))
        same--;
    for (; same > 0; same--) {
        bool at_part = (a[same] == '-' || !a[same]) && (e[same] == '-' || !e[same]);
        if (at_part && is_decoration(a + same, true) && is_decoration(e + same, false))
            return true;
    }
    return false;
}
