/* What a replay has found, described to the writer. */
#ifndef ROUTECTL_REPLAY_SHOW_H
#define ROUTECTL_REPLAY_SHOW_H

#include "routectl/replay_run.h"
#include "routectl/writer.h"

void replay_show(const struct replay_run *run, struct writer *w);

#endif
