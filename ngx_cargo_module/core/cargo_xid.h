
/*
 * Which characters may stand in an identifier: Unicode's XID_Start and
 * XID_Continue (UAX 31), by which cargo judges names of features.
 *
 * Always true: the tables are those of Unicode 14.0; letters that later
 * versions added are refused.
 */


#ifndef CARGO_XID_H
#define CARGO_XID_H


#include <stdint.h>


/* for a code point; every start character also continues */
int cargo_xid_start(uint32_t c);
int cargo_xid_continue(uint32_t c);


#endif /* CARGO_XID_H */
