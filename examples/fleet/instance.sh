# What the commands of this fleet have in common. An "instance" here is an agent on this machine, with an address of its own (127.0.0.x, which
# Linux has without any set-up) and a directory of its own. FLEET_HOME and FLEET_PORT are from the configuration (fleets.environment), what begins
# with CROSSFADE_ the server says.
set -eu
umask 077
home=$FLEET_HOME/$CROSSFADE_INSTANCE
mkdir -p "$FLEET_HOME/addresses"

# lock lets one command at a time work on the instance: one whose server was killed may have left something that is not quite there yet.
lock() {
	exec 9>"$FLEET_HOME/$CROSSFADE_INSTANCE.lock"
	flock 9
}

# address prints the instance's IP. Each taken one is a link to the instance's name: making it is atomic, and a second one is refused.
address() {
	for link in "$FLEET_HOME"/addresses/*; do
		if [ "$(readlink "$link")" = "$CROSSFADE_INSTANCE" ]; then
			echo "${link##*/}"
			return
		fi
	done
	return 1
}

# agent prints the pid of the instance's agent while it runs. A pid alone would be believed after a reboot too.
agent() {
	pid=$(cat "$home/agent.pid" 2>/dev/null) && grep -qsF -e "$home/root" "/proc/$pid/cmdline" && echo "$pid"
}
