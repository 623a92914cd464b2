/*
 * site.h - what the origin says: channels, their faults, and the control paths
 *
 *   /                 a list of the channels, as text
 *   /NAME/...         live.h
 *   POST /_/fault?..  put a fault in force (fault.h); 400 with the reason
 *   POST /_/clear?..  lift faults: of channel=, of kind=, or all
 *   GET  /_/log?since=N  the requests since number N (trace.h)
 *   GET  /_/stats     connections and requests, in all and a channel
 *
 * The control paths exist only with control; without, nobody who can reach
 * the port can make anything fail.
 */
#ifndef PLEXBRIDGE_ORIGIN_SITE_H
#define PLEXBRIDGE_ORIGIN_SITE_H

#include "origin/channel.h"
#include "origin/fault.h"
#include "origin/http.h"

struct site;

/* channels and faults are borrowed until site_free(). log_entries at least 1. */
int site_new(
    struct site **out, const struct channels *channels, struct faults *faults, bool control, size_t log_entries);
void site_free(struct site **site);

/* For http_new(); and the server that the site then belongs to, for its figures and listeners. */
const struct http_site *site_http(struct site *site);
void site_set_server(struct site *site, struct http_server *server);

#endif
