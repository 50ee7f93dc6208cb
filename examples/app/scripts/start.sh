#!/bin/sh
# Starts the web server in the background and returns when it answers. One that another deployment group has left running is stopped first:
# ApplicationStop runs the scripts of this group's last revision, and knows nothing of another's.
set -eu
"$CROSSFADE" demo-app stop --pid-file "$APP_HOME/app.pid"
exec "$CROSSFADE" demo-app start --listen "$APP_LISTEN" --site "$APP_HOME/site" --pid-file "$APP_HOME/app.pid" --log "$APP_HOME/app.log"
