/* Reading a workload from the command line. Every refusal shows what would have been right. */
#include "routectl/workload.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "routectl/figures.h"

#define TOKENS_MAX 10000000
#define DAYS_MAX   366

int workload_parse_tokens(const char *text, int64_t *ret, struct err *err)
{
    char number[32];
    size_t len = strlen(text);
    int64_t scale = 1, value = 0;

    if (len > 1 && strchr("kKM", text[len - 1]))
        scale = text[--len] == 'M' ? 1000000 : 1000;
    int error = len > 0 && len < sizeof number ? 0 : -EINVAL;
    if (error == 0) {
        memcpy(number, text, len);
        number[len] = '\0';
        error = units_parse_decimal(number, scale * 1000, &value); /* in thousandths, to see a part of a token */
    }
    if (error == -EINVAL || (error == 0 && (value < 0 || value % 1000 != 0)))
        return err_set(err, -EINVAL, "\"%.60s\" is no number of tokens: write a whole number like \"1200\" or \"1.2k\"", text);
    if (error < 0 || value / 1000 > TOKENS_MAX)
        return err_set(err, -ERANGE, "\"%.60s\" is too much: at most 10M tokens a request", text);
    *ret = value / 1000;
    return 0;
}

int workload_parse_requests(const char *text, double *ret_per_day, struct err *err)
{
    double per_day = 0;
    int error = units_parse_requests(text, &per_day, err);
    if (error < 0)
        return error;
    if (!(per_day > 0))
        return err_set(err, -ERANGE, "\"%.60s\" is nothing: more than no requests are wanted, like \"50k/day\"", text);
    *ret_per_day = per_day;
    return 0;
}

int workload_parse_days(const char *text, int *ret, struct err *err)
{
    char *end = NULL;
    errno = 0;
    long days = strtol(text, &end, 10);
    if (end != text && strcmp(end, "d") == 0)
        end++;
    if (errno || end == text || *end || days < 1 || days > DAYS_MAX)
        return err_set(err, -EINVAL, "\"%.60s\" is no number of days: 1 to %d are wanted, like \"30\"", text, DAYS_MAX);
    *ret = (int)days;
    return 0;
}

void workload_add_rate(struct buf *ret, double per_day)
{
    char number[48];
    if (!isfinite(per_day) || per_day < 0 || per_day > 1e15)
        buf_add_str(ret, "an unknown number of requests");
    else if (per_day == 1)
        buf_add_str(ret, "1 request a day");
    else if (per_day >= 9.5 || per_day == floor(per_day))
        buf_printf(ret, "%s requests a day", figure_thousands(number, sizeof number, llround(per_day)));
    else
        buf_printf(ret, "%.3g requests a day", per_day);
}
