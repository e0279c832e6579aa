/* The whole simulation, as its parts see it. */
#ifndef RELAYSIM_SIM_H
#define RELAYSIM_SIM_H

#include "tests/relaysim/reactor.h"
#include "tests/relaysim/record.h"
#include "tests/relaysim/relay.h"
#include "tests/relaysim/tls.h"

struct conn;
struct listener;
struct control;

struct sim {
    struct reactor reactor;
    struct relays relays;
    struct records records;
    struct tls tls;
    struct listener *shared, *shared_tls, *listeners; /* the list holds all of them */
    struct conn *conns;
    size_t conns_len;
    uint64_t conns_seen, replies; /* numbers given out */
    struct control *control;
};

#endif
