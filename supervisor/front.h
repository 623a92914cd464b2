/*
 * front.h - the tuner port: requests to documents and streams
 *
 * Read-only: nothing here changes anything but that a stream begins.
 */
#ifndef PLEXBRIDGE_SUPERVISOR_FRONT_H
#define PLEXBRIDGE_SUPERVISOR_FRONT_H

#include "base/request.h"
#include "supervisor/http.h"

/* The handler of the tuner port's http_server; arg is the struct supervisor. */
void front_handle(void *arg, struct http_conn *conn, const struct request *req);

#endif
