
/*
 * Times as the command line has them: to come (--expires) and gone by
 * (--since, --until).
 *
 * Always true: whoever returns something other than CTL_DONE has said why.
 */


#ifndef CTL_TIME_H
#define CTL_TIME_H


#include "cargoctl.h"


/* "2027-01-31T00:00:00Z" and a NUL */
#define CTL_TIMESTAMP  21


/* "90d" from now, or the end of a day in UTC; timestamp is "" for never */
ctl_rc_t ctl_time_to_come(const char *text, char *timestamp);

/*
 * "7d" ago, or a day in UTC: its beginning, or with end its end; timestamp is
 * "" when there is no text.
 */
ctl_rc_t ctl_time_gone(const char *text, int end, char *timestamp);


#endif /* CTL_TIME_H */
