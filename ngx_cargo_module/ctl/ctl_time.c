
#include "ctl_time.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl_print.h"


#define CTL_DAY       (24 * 60 * 60)
#define CTL_DAYS_MAX  36500


static int ctl_time_ago(const char *text, time_t *seconds);
static int ctl_time_date(const char *text, time_t *when);
static ctl_rc_t ctl_time_format(const char *text, time_t when,
    char *timestamp);


ctl_rc_t
ctl_time_to_come(const char *text, char *timestamp)
{
    char    *end;
    time_t   when;

    timestamp[0] = '\0';

    if (text == NULL) {
        return CTL_DONE;
    }

    when = (time_t) strtol(text, &end, 10);

    if (text[0] >= '0' && text[0] <= '9' && strcmp(end, "d") == 0
        && when >= 1 && when <= CTL_DAYS_MAX)
    {
        when = time(NULL) + when * CTL_DAY;

    } else if (ctl_time_date(text, &when) == 0) {
        when += CTL_DAY;

    } else {
        ctl_error("\"%s\" is not an expiry: write days from now as in 90d "
                  "(at most %dd), or a date as in 2027-01-31", text,
                  CTL_DAYS_MAX);
        return CTL_USAGE;
    }

    if (when <= time(NULL)) {
        ctl_error("%s is past, and a token that has expired is of no use",
                  text);
        return CTL_USAGE;
    }

    return ctl_time_format(text, when, timestamp);
}


ctl_rc_t
ctl_time_gone(const char *text, int end, char *timestamp)
{
    time_t  when, seconds;

    timestamp[0] = '\0';

    if (text == NULL) {
        return CTL_DONE;
    }

    if (ctl_time_ago(text, &seconds) == 0) {
        when = time(NULL) - seconds;

    } else if (ctl_time_date(text, &when) == 0) {
        when += end ? CTL_DAY : 0;

    } else {
        ctl_error("\"%s\" is not a time: write how long ago, as in 30m, 12h "
                  "or 7d, or a date as in 2026-11-01", text);
        return CTL_USAGE;
    }

    return ctl_time_format(text, when, timestamp);
}


static int
ctl_time_ago(const char *text, time_t *seconds)
{
    char  *end;

    if (text[0] < '0' || text[0] > '9') {
        return -1;
    }

    *seconds = (time_t) strtol(text, &end, 10);

    /* a time of centuries ago has no timestamp */
    if (*seconds > CTL_DAYS_MAX) {
        return -1;
    }

    if (strcmp(end, "m") == 0) {
        *seconds *= 60;

    } else if (strcmp(end, "h") == 0) {
        *seconds *= 60 * 60;

    } else if (strcmp(end, "d") == 0) {
        *seconds *= CTL_DAY;

    } else {
        return -1;
    }

    return 0;
}


static int
ctl_time_date(const char *text, time_t *when)
{
    int          day;
    struct tm    tm;
    const char  *end;

    memset(&tm, 0, sizeof(struct tm));

    if (strlen(text) != sizeof("2027-01-31") - 1) {
        return -1;
    }

    end = strptime(text, "%Y-%m-%d", &tm);

    if (end == NULL || *end != '\0') {
        return -1;
    }

    day = tm.tm_mday;
    *when = timegm(&tm);

    /* timegm() makes 31 February a day in March */

    if (gmtime_r(when, &tm) == NULL || tm.tm_mday != day) {
        return -1;
    }

    return 0;
}


static ctl_rc_t
ctl_time_format(const char *text, time_t when, char *timestamp)
{
    struct tm  tm;

    if (gmtime_r(&when, &tm) == NULL
        || strftime(timestamp, CTL_TIMESTAMP, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
    {
        ctl_error("%s is too far away", text);
        return CTL_USAGE;
    }

    return CTL_DONE;
}
