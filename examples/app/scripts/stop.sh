#!/bin/sh
# Stops what an earlier deployment has started; nothing running is no error.
set -eu
exec "$CROSSFADE" demo-app stop --pid-file "$APP_HOME/app.pid"
