/* The collector's word to pricing, money and the exchange; what it says of its feeds to the journal. */
#ifndef PROBED_COLLECTING_H
#define PROBED_COLLECTING_H

#include "probed/price/collector.h"

struct daemon;

struct collector_owner collecting_owner(struct daemon *d);
/* After pricing_enter: a new world's collector knows what the old one's did, and tells it anew; all prices are put in force. */
void collecting_enter(struct daemon *d);

#endif
