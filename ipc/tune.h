/*
 * tune.h - the settings of one channel, packed for its worker
 *
 * Pure. The supervisor packs what it sends in MSG_S_TUNE, a worker that is
 * run by hand packs the same for itself: one mapping, so that both play a
 * channel alike.
 */
#ifndef PLEXBRIDGE_IPC_TUNE_H
#define PLEXBRIDGE_IPC_TUNE_H

#include "config/config.h"
#include "ipc/msg.h"

/* Whose a provider's sources are, by name (NULL: nobody's); numbers are of this config. */
struct msg_account tune_account(const struct config *config, const char *provider);

/*
 * Pack source n (from 1) of the channel, with its request where that is
 * another than url's. 0; PB_NO: there is no such source; PB_ELIMIT as
 * tune_pack().
 */
int tune_pack_source(
    struct msg_source *out, const struct config *config, const struct channel *channel, unsigned n, const char **why);

/*
 * Pack channel (its URL, headers, user agent) and what config says of
 * streams and fetching. url: instead of the channel's own and its backups, NULL for those.
 * 0, or PB_ELIMIT with *why when a text is too long for a message.
 */
int tune_pack(struct msg_tune *out, const struct config *config, const struct channel *channel, const char *url,
    const char **why);

#endif
