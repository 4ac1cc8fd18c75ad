
#include "cargo_zone_snapshot_private.h"

#include <string.h>
#include <zlib.h>


#define CARGO_SNAPSHOT_MAGIC    "cargo\r\n\x1a"
#define CARGO_SNAPSHOT_VERSION  2

#define CARGO_SNAPSHOT_CRC      4


static void cargo_snapshot_close(unsigned char *block, size_t size);
static int cargo_snapshot_whole(const unsigned char *block, size_t size);
static int cargo_snapshot_seal_read_one(const unsigned char *p,
    cargo_snapshot_seal_t *seal);


void
cargo_snapshot_header_write(const cargo_snapshot_header_t *header,
    unsigned char p[CARGO_SNAPSHOT_HEADER])
{
    unsigned char  *q;

    memset(p, 0, CARGO_SNAPSHOT_HEADER);
    memcpy(p, CARGO_SNAPSHOT_MAGIC, 8);

    q = cargo_snapshot_put(p + 8, CARGO_SNAPSHOT_VERSION, 4);
    memcpy(q, header->source, CARGO_SNAPSHOT_SOURCE);

    q = cargo_snapshot_put(q + CARGO_SNAPSHOT_SOURCE, header->entries, 8);
    q = cargo_snapshot_put(q, header->length, 8);
    (void) cargo_snapshot_put(q, header->crc, 4);

    cargo_snapshot_close(p, CARGO_SNAPSHOT_HEADER);
}


const char *
cargo_snapshot_header_read(const unsigned char p[CARGO_SNAPSHOT_HEADER],
    cargo_snapshot_header_t *header)
{
    uint64_t              version, crc;
    const unsigned char  *q;

    if (memcmp(p, CARGO_SNAPSHOT_MAGIC, 8) != 0) {
        return "it is something else, or was cut off";
    }

    q = cargo_snapshot_get(p + 8, &version, 4);

    if (version != CARGO_SNAPSHOT_VERSION) {
        return "it is of another version of the module";
    }

    if (!cargo_snapshot_whole(p, CARGO_SNAPSHOT_HEADER)) {
        return "it is damaged";
    }

    memcpy(header->source, q, CARGO_SNAPSHOT_SOURCE);

    q = cargo_snapshot_get(q + CARGO_SNAPSHOT_SOURCE, &header->entries, 8);
    q = cargo_snapshot_get(q, &header->length, 8);
    (void) cargo_snapshot_get(q, &crc, 4);

    header->crc = (uint32_t) crc;

    return NULL;
}


void
cargo_snapshot_seal_write(const cargo_snapshot_seal_t *seal,
    unsigned char p[CARGO_SNAPSHOT_SEAL])
{
    unsigned char  *q;

    memset(p, 0, CARGO_SNAPSHOT_SEAL);

    q = cargo_snapshot_put(p, seal->number, 8);
    q = cargo_snapshot_put(q, (uint64_t) seal->age, 8);
    q = cargo_snapshot_put(q, (uint64_t) seal->at.time, 8);
    q = cargo_snapshot_put(q, (uint64_t) seal->at.uptime, 8);
    memcpy(q, seal->at.boot, CARGO_SNAPSHOT_BOOT);

    cargo_snapshot_close(p, CARGO_SNAPSHOT_SEAL);
}


int
cargo_snapshot_seal_read(
    const unsigned char p[CARGO_SNAPSHOT_SEALS * CARGO_SNAPSHOT_SEAL],
    cargo_snapshot_seal_t *seal)
{
    int                    found;
    size_t                 i;
    cargo_snapshot_seal_t  one;

    found = 0;

    for (i = 0; i < CARGO_SNAPSHOT_SEALS; i++) {
        if (cargo_snapshot_seal_read_one(p + i * CARGO_SNAPSHOT_SEAL, &one)
            && (!found || one.number > seal->number))
        {
            *seal = one;
            found = 1;
        }
    }

    return found;
}


/* times that no clock has shown: sums of them do not overflow */

#define cargo_snapshot_absurd(seconds)                                        \
    ((seconds) < 0 || (seconds) > INT64_MAX / 8)


int64_t
cargo_snapshot_age(const cargo_snapshot_seal_t *seal,
    const cargo_snapshot_moment_t *now)
{
    int64_t                     by_time, by_uptime;
    static const unsigned char  unknown[CARGO_SNAPSHOT_BOOT];

    if (cargo_snapshot_absurd(seal->age)
        || cargo_snapshot_absurd(seal->at.time)
        || cargo_snapshot_absurd(seal->at.uptime)
        || cargo_snapshot_absurd(now->time)
        || cargo_snapshot_absurd(now->uptime))
    {
        return -1;
    }

    by_time = now->time - seal->at.time;
    by_uptime = -1;

    if (memcmp(now->boot, unknown, CARGO_SNAPSHOT_BOOT) != 0
        && memcmp(now->boot, seal->at.boot, CARGO_SNAPSHOT_BOOT) == 0)
    {
        by_uptime = now->uptime - seal->at.uptime;
    }

    if (by_uptime > by_time) {
        by_time = by_uptime;
    }

    return by_time < 0 ? -1 : seal->age + by_time;
}


static int
cargo_snapshot_seal_read_one(const unsigned char *p,
    cargo_snapshot_seal_t *seal)
{
    uint64_t              age, time, uptime;
    const unsigned char  *q;

    if (!cargo_snapshot_whole(p, CARGO_SNAPSHOT_SEAL)) {
        return 0;
    }

    q = cargo_snapshot_get(p, &seal->number, 8);
    q = cargo_snapshot_get(q, &age, 8);
    q = cargo_snapshot_get(q, &time, 8);
    q = cargo_snapshot_get(q, &uptime, 8);
    memcpy(seal->at.boot, q, CARGO_SNAPSHOT_BOOT);

    seal->age = (int64_t) age;
    seal->at.time = (int64_t) time;
    seal->at.uptime = (int64_t) uptime;

    return 1;
}


static void
cargo_snapshot_close(unsigned char *block, size_t size)
{
    size -= CARGO_SNAPSHOT_CRC;

    (void) cargo_snapshot_put(block + size,
                              cargo_snapshot_crc(0, block, size),
                              CARGO_SNAPSHOT_CRC);
}


/* of zeros alone CRC-32 is not 0: what was never written is not whole */

static int
cargo_snapshot_whole(const unsigned char *block, size_t size)
{
    uint64_t  crc;

    size -= CARGO_SNAPSHOT_CRC;

    (void) cargo_snapshot_get(block + size, &crc, CARGO_SNAPSHOT_CRC);

    return crc == cargo_snapshot_crc(0, block, size);
}


unsigned char *
cargo_snapshot_put(unsigned char *p, uint64_t value, size_t n)
{
    while (n--) {
        *p++ = (unsigned char) value;
        value >>= 8;
    }

    return p;
}


const unsigned char *
cargo_snapshot_get(const unsigned char *p, uint64_t *value, size_t n)
{
    size_t  i;

    *value = 0;

    for (i = 0; i < n; i++) {
        *value |= (uint64_t) p[i] << 8 * i;
    }

    return p + n;
}


uint32_t
cargo_snapshot_crc(uint32_t crc, const unsigned char *p, size_t len)
{
    return (uint32_t) crc32_z(crc, p, len);
}
