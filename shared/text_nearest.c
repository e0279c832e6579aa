/* "Did you mean ...?": the candidate that a mistyped word was probably meant to be.
 *
 * Optimal string alignment distance (a letter wrong, missing, extra, or two swapped cost one each; upper and lower case are the same
 * letter, and so are '-' and '_'). Near enough is a third of the word, at least one: beyond that a hint would be a guess. Bytes are
 * compared, which makes a wrong 中文 character cost up to three: good enough for keys and names. Fixed memory, no state. */
#include <string.h>

#include "shared/text.h"

/* Longer words are not typed by hand. */
#define WORD_MAX 64

static char fold(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c == '_' ? '-' : c;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0], *above = rows[1], *row = rows[2];
    memset(rows, 0, sizeof(rows));
    for (size_t j = 0; j <= b_len; j++)
        above[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned change = fold(a[i - 1]) == fold(b[j - 1]) ? 0 : 1;
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + change);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]) && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        unsigned *free_row = before;
        before = above;
        above = row;
        row = free_row;
    }
    return above[b_len];
}

const char *text_nearest(const char *word, const char *const *candidates, size_t len)
{
    size_t word_len = strlen(word);
    if (word_len == 0 || word_len > WORD_MAX)
        return NULL;
    const char *best = NULL;
    unsigned best_distance = word_len < 6 ? 2 : (unsigned)(word_len / 3) + 1; /* the first that is too far */
    for (size_t i = 0; i < len; i++) {
        size_t candidate_len = candidates[i] ? strlen(candidates[i]) : 0;
        if (candidate_len == 0 || candidate_len > WORD_MAX)
            continue;
        unsigned d = distance(word, word_len, candidates[i], candidate_len);
        /* Short words are near to everything: they must share a letter at least. */
        if (d < best_distance && d < candidate_len) {
            best = candidates[i];
            best_distance = d;
        }
    }
    return best;
}
