#!/bin/sh
# Starts the web server in the background and returns when it answers.
set -eu
exec "$CROSSFADE" demo-app start --listen "$APP_LISTEN" --site "$APP_HOME/site" --pid-file "$APP_HOME/app.pid" --log "$APP_HOME/app.log"
