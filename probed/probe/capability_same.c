/* The questions, the normal form of an answer, and families of models by their names.
 *
 * A question has to draw two sentences out of any model, short enough to be cheap, and leave enough freedom that no two models choose the same words. In
 * the normal form only letters and digits of ASCII, in lower case, and the bytes of other scripts are left, so that a relay that adds a blank or
 * changes quotation marks hides nothing; its first 300 bytes count, so that answers cut at slightly different limits are still alike. */
#include "probed/probe/capability_same.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "shared/compiler.h"
#include "shared/text.h"

#define NORMAL_MOST 300

static const char *const questions[SAME_QUESTIONS] = {
    "In two sentences, describe what the keeper of a lighthouse might notice on a winter morning.",
    "In two sentences, describe the inside of an old repair shop for bicycles.",
    "In two sentences, describe a small harbour just after a thunderstorm.",
    "In two sentences, describe how a market square wakes up on a Saturday.",
};

const char *same_question(unsigned number) { return questions[number % SAME_QUESTIONS]; }

uint64_t same_hash(const char *reply)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    size_t len = strlen(reply), bytes = 0, characters = 0;
    while (len > 0 && bytes < NORMAL_MOST) {
        uint32_t c;
        size_t n = text_decode(reply, len, &c);
        bool counts = c != TEXT_BROKEN && (c < 0x80 ? isalnum((int)c) : (c < 0x2000 || c > 0x206f) && (c < 0x3000 || c > 0x303f) && (c < 0xff00 || c > 0xff0f));
        for (size_t i = 0; counts && i < n; i++, bytes++)
            hash = (hash ^ (unsigned char)(c < 0x80 ? tolower((int)c) : reply[i])) * 0x100000001b3u;
        characters += counts;
        reply += n;
        len -= n;
    }
    if (characters < SAME_LEAST)
        return 0;
    return hash ? hash : 1;
}

/* Other names that vendors give to the same line of models. */
static const char *const kin[][2] = {
    {"chatgpt", "gpt"},      {"davinci", "gpt"},     {"moonshot", "kimi"},     {"chatglm", "glm"},       {"qwq", "qwen"},
    {"qvq", "qwen"},         {"tongyi", "qwen"},     {"mixtral", "mistral"},   {"codestral", "mistral"}, {"ministral", "mistral"},
    {"pixtral", "mistral"},  {"devstral", "mistral"}, {"magistral", "mistral"}, {"open", ""},             {"text", ""},
    {"model", ""},           {"chat", ""},           {"test", ""},             {"pro", ""},              {"auto", ""},
};

void same_family(const char *model, char ret[SAME_FAMILY_MAX])
{
    const char *slash = strrchr(model, '/'), *name = slash ? slash + 1 : model;
    size_t len = 0;
    for (; isalpha((unsigned char)name[len]) && len + 1 < SAME_FAMILY_MAX; len++)
        ret[len] = (char)tolower((unsigned char)name[len]);
    ret[len] = '\0';
    if (len == 1 && ret[0] == 'o' && isdigit((unsigned char)name[1])) /* o1, o3-mini */
        strcpy(ret, "gpt");
    else if (len < 3)
        ret[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(kin); i++)
        if (strcmp(ret, kin[i][0]) == 0)
            strcpy(ret, kin[i][1]);
}

bool same_differ(const char *model, const char *other)
{
    char a[SAME_FAMILY_MAX], b[SAME_FAMILY_MAX];
    same_family(model, a);
    same_family(other, b);
    return a[0] && b[0] && strcmp(a, b) != 0;
}
