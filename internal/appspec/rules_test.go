package appspec_test

// rule is one rule of the Server AppSpec, for docs/appspec.md. Its tests are named by package, below internal, and function.
type rule struct {
	rule, broken string
	tests        []string
}

// section is a part of the AppSpec and its rules.
type section struct {
	title, about string
	rules        []rule
}

const (
	problems = "appspec.TestProblemsSayWhereAndWhatToDo"
	ignored  = "appspec.TestWhatIsIgnoredIsSaid"
	surprise = "appspec.TestWarningsAboutWhatMaySurprise"
	empty    = "appspec.TestWhatIsEmptyIsAsIfItWereAbsent"
	planned  = "agent/install.TestNothingIsTouchedWhenThePlanFails"
	order    = "agent/install.TestEverythingIsSetInTheOfficialOrder"
	entries  = "appspec.TestACLEntriesOfEachForm"
	refused  = "appspec.TestACLEntriesThatAreRefused"
	failures = "agent/script.TestEveryFailureHasItsCode"
)

func rules() []section {
	return []section{
		{"The file", "", []rule{
			{"It is at the root of the bundle, under the name that the deployment gives, else `appspec.yaml`, else `appspec.yml`.",
				"The event that reads it fails. `validate` warns of `appspec.yaml`, which hooks of the official agent don't find.", []string{"agent.TestAppSpecNamesFallBack", surprise}},
			{"It is YAML, with something in it, of at most 1 MiB.", "The event fails and names the line.", []string{problems, "appspec.TestYAMLBombsAreRefused"}},
			{"Anchors, aliases and merge keys work, within limits.", "A file that expands to more than 200,000 values is refused.", []string{"appspec.TestAnchorsAndMergeKeysWork", "appspec.TestYAMLBombsAreRefused"}},
			{"No key comes twice in one place.", "The event fails and names both lines.", []string{problems}},
			{"Keys are those below.", "Others are ignored; the agent's log and `validate` say so, with the key that may be meant.", []string{ignored, surprise}},
			{"What is empty is as if it were absent.", "", []string{empty}},
			{"A file of another platform (`Resources`, `Hooks`) is not one for servers.", "The event fails.", []string{problems}},
		}},
		{"Top level", "", []rule{
			{"`version` is the number 0.0, without quotes.", "The event fails; so it does without a version.", []string{problems}},
			{"`os` is `linux` or `windows`, and what the host runs.", "The event fails; so it does without it.", []string{problems, "appspec.TestTheOperatingSystemMayBeLeftOpen"}},
			{"`file_exists_behavior` is `DISALLOW`, `OVERWRITE` or `RETAIN`, in capitals. It goes before what the deployment says; when both say nothing it is `DISALLOW`.",
				"The event fails.", []string{problems, "agent/install.TestFilesThatExist"}},
			{"`permissions` are for Linux.", "On Windows the event fails.", []string{"appspec.TestWindows"}},
			{"`files` and `permissions` are lists, `hooks` is a mapping of lists.", "The event fails.", []string{problems}},
		}},
		{"files", "", []rule{
			{"Each entry has a `source` and a `destination`.", "The event fails.", []string{problems}},
			{"`source` is a path in the bundle, from its root, with or without a leading slash; `/` is the whole bundle.", "The event fails when it leaves the bundle, or is not in it.",
				[]string{problems, planned, "appspec/bundlecheck.TestWhatIsNamedMustBeThereAndRun"}},
			{"`destination` is an absolute path, always of a directory.", "The event fails.", []string{problems}},
			{"A file goes into the destination under its own name; of a directory everything in it does, with hidden files and `appspec.yml`.", "", []string{"agent/install.TestFilesDirectoriesAndLinksAreInstalled"}},
			{"Mode and time of a file are kept, and links to files stay links.", "", []string{"agent/install.TestFilesDirectoriesAndLinksAreInstalled"}},
			{"Of a link to a directory everything in the directory is installed, as if it were there.", "The event fails before anything is copied when the link is in the directory that it leads to.",
				[]string{"agent/install.TestWhatALinkToADirectoryHoldsIsInstalled", "agent/install.TestALinkToADirectoryThatItIsInIsRefused"}},
			{"Missing directories on the way are made, and taken away again by the next deployment.", "", []string{"agent/install.TestTheNextInstallationTakesAwayTheLast"}},
			{"Two sources don't go to one place, and nothing is a file for one entry and a directory for another, or on the host.", "The event fails before anything is copied.", []string{planned}},
			{"Names have no line break.", "The event fails: the list for the next clean-up has a line for each.", []string{"agent/install.TestNamesThatTheCleanupListCanNotHoldAreRefused"}},
		}},
		{"Files that exist", "First the group's last installation is taken away, then what is left counts as existing.", []rule{
			{"`DISALLOW`: a file in the way ends the deployment.", "`The deployment failed because a specified file already exists at this location`, with the path.", []string{"agent/install.TestFilesThatExist"}},
			{"`OVERWRITE`: it is replaced, and belongs to the deployment from then on.", "", []string{"agent/install.TestFilesThatExist", "agent/install.TestOverwritingDoesNotFollowLinks"}},
			{"`RETAIN`: it stays, and stays yours: no later deployment takes it away.", "", []string{"agent/install.TestFilesThatExist"}},
			{"A directory in the way is fine.", "", []string{"agent/install.TestTheNextInstallationTakesAwayTheLast"}},
			{"Taken away is only what an installation put there, the last first; directories only when nothing else is in them.", "", []string{"agent/install.TestTheNextInstallationTakesAwayTheLast", "agent/install.TestCleanupForgivesWhatIsGone"}},
		}},
		{"permissions", "", []rule{
			{"Each entry has an `object`.", "The event fails.", []string{problems}},
			{"Only what this deployment installs is changed: the object itself if it is a file, what is below it if it is a directory.", "An object that is neither is ignored.", []string{"agent/install.TestPermissionsAreForWhatWasInstalled"}},
			{"`type` is a list of `file` and `directory`, both when it is absent.", "The event fails.", []string{problems, "agent/install.TestPermissionsAreForWhatWasInstalled"}},
			{"`pattern` `**`, the default, is everything below; any other is for names directly below the object, with `*` for any characters and no other wildcard.",
				"`validate` warns of a slash in a pattern, which matches nothing.", []string{"agent/install.TestPatternsHaveNoOtherWildcardThanTheStar", "agent/install.TestPermissionsAreForWhatWasInstalled", surprise}},
			{"`except` is a list of such patterns.", "`validate` warns as for `pattern`.", []string{"agent/install.TestPermissionsAreForWhatWasInstalled", surprise}},
			{"For a file there is no `pattern` and no `except`.", "The event fails before anything is copied.", []string{planned}},
			{"No object gets permissions from two entries.", "The event fails before anything is copied.", []string{planned}},
			{"They are set object by object: mode, acls, context, then owner and group.", "", []string{order}},
		}},
		{"permissions: mode, owner, group", "", []rule{
			{"`mode` is one to four octal digits.", "The event fails, for symbolic modes too. `validate` warns of `0644` without quotes.", []string{problems, surprise}},
			{"`owner` and `group` are names that the host knows, from a directory service too.", "The event fails before anything is copied.", []string{planned, "agent/install.TestOwnersAreSetByName", "agent/install.TestNamesOfADirectoryServiceAreAskedFor"}},
			{"An owner does not cost a file the setuid and setgid that mode gives.", "", []string{"agent/install.TestSetuidSurvivesTheChangeOfTheOwner"}},
		}},
		{"permissions: acls", "Each entry is `[d:|default:][u:|user:|g:|group:|m:|mask:|o:|other:]name:perms`; without a kind it is a user's.", []rule{
			{"Permissions are letters of `rwx-`, or one digit from 0 to 7.", "The event fails and names the entry.", []string{entries, refused, problems}},
			{"A mask and the others have no name.", "The event fails.", []string{refused}},
			{"What the owner, the owning group and all others may is for `mode`, except as a default.", "The event fails.", []string{entries, refused}},
			{"No two entries are for the same.", "The event fails.", []string{refused}},
			{"The list replaces the object's own, completed from its mode: owner, group, others, and a mask equal to the group's permissions when somebody is named and none is given.",
				"", []string{"appspec.TestACLsAreCompletedFromTheMode", "agent/install.TestARealAccessControlList"}},
			{"Default entries are for directories.", "The event fails before anything is copied.", []string{planned, "agent/install.TestACLsOfDirectoriesAndOfWhatMatches"}},
			{"Users and groups are known to the host, or numbers.", "The event fails before anything is copied.", []string{planned}},
			{"The host has `setfacl` (package `acl`).", "The event fails before anything is touched, the last installation too.", []string{"agent/install.TestWhatPermissionsNeedIsMissedBeforeAnythingIsTouched"}},
			{"The file system keeps access control lists.", "The event fails with what `setfacl` says.", []string{"agent/install.TestAProgramThatFailsIsQuoted"}},
		}},
		{"permissions: context", "", []rule{
			{"`type` is there; `user`, which may be called `name`, and `range` need not be.", "The event fails.", []string{problems, "appspec.TestTheUserOfAContextMayBeItsName"}},
			{"There is no `role`.", "The event fails.", []string{problems}},
			{"`range` is `sN[-sM][:cA[.cB],…]`, categories up to 1023, none twice.", "The event fails.", []string{"appspec.TestRangesAreReadAndDrawnTogether", "appspec.TestRangesThatAreRefused"}},
			{"Names are words of SELinux.", "The event fails.", []string{problems}},
			{"A rule for the path is added to the policy and applied, and dropped by the next deployment. Characters with a meaning in the policy's patterns are escaped.", "",
				[]string{order, "agent/install.TestOnlyARuleThatWasAddedIsTakenAway", "agent/install.TestPatternsAreQuotedForAShellAndReadBack"}},
			{"The host has `semanage` and `restorecon`.", "The event fails before anything is touched.", []string{"agent/install.TestWhatPermissionsNeedIsMissedBeforeAnythingIsTouched"}},
		}},
		{"hooks", "", []rule{
			{"A lifecycle event has a list of scripts, which run in their order; an event without a value has none.", "", []string{"appspec.TestAWholeAppSpec", "agent.TestAWholeDeploymentAndTheLayoutItLeaves"}},
			{"Events are those with hooks.", "Scripts of others run only if the deployment asks for the event; the agent's log and `validate` say so.", []string{ignored, "agent.TestUnknownEventsAndPossibleEvents"}},
			{"When the deployment says which events it can have, all hooks are among them, all nine events are, and each other one has a hook.", "Install fails.", []string{"appspec.TestPossibleEventsAreHeldAgainstTheHooks"}},
			{"`location` is the path of a script in the bundle, from its root.", "The event fails when it is absent or leaves the bundle, and with code 1 when there is no such file.", []string{problems, failures}},
			{"`timeout` is a number of seconds above zero, up to 30 days; 3600 when it is absent.", "The event fails. `validate` warns when the timeouts of an event are more than 3600 together.", []string{problems, surprise}},
			{"A script that takes longer is ended, with all that it has started.", "The event fails with code 3.", []string{"agent/script.TestATimeoutEndsTheWholeGroup"}},
			{"`runas` is a user that the host knows.", "The event fails with code 4.", []string{"agent/script.TestRootRunsScriptsAsOthers", "agent/script.TestOthersCanNotRunScriptsAsRoot"}},
			{"`sudo` is true or false.", "The event fails.", []string{problems}},
			{"A script need not be executable, and without an interpreter line it is the shell's.", "`validate` warns of the latter.", []string{"agent/script.TestScriptsWithoutModeOrInterpreterRun", "appspec/bundlecheck.TestWhatIsNamedMustBeThereAndRun"}},
			{"A script ends with exit code 0.", "The event fails with code 4, and the scripts after it don't run.", []string{failures}},
			{"Scripts for Linux have Unix line ends and no byte-order mark.", "`validate` refuses them; on a host the script fails.", []string{"appspec/bundlecheck.TestWhatIsNamedMustBeThereAndRun"}},
			{"Scripts know their deployment by the environment.", "", []string{"agent.TestScriptsKnowTheirDeployment"}},
		}},
	}
}

// difference is where Crossfade's agent does not do as the official one does.
type difference struct{ matter, official, ours string }

func differences() []difference {
	return []difference{
		{"Name of the file", "`appspec.yaml` is found at Install only; hooks look for `appspec.yml`", "both names are found at every event"},
		{"`mode: 0644` without quotes", "YAML's number 420 is applied, as mode 420", "the digits as they are written, 644. Write `644` or `\"0644\"`, which both agents read alike"},
		{"User of a context", "read from `name`; the documented `user` is ignored", "`user` or `name`"},
		{"Context without a range", "fails", "the range stays as the policy has it"},
		{"Path of a context", "given to the policy as it is, where `.` and others have a meaning", "escaped; the clean-up list has it in quotes, as the official agent's shell needs it"},
		{"SELinux rule when `restorecon` fails", "stays for ever", "noted before, so that the next deployment drops it"},
		{"Missing `setfacl` or `semanage`", "the deployment fails half way, with the last revision gone", "it fails before anything is touched"},
		{"setuid with an owner", "lost, because the owner is set after the mode", "kept"},
		{"Mode, acls and context of a symbolic link", "applied to what the link leads to", "not applied: that may not be part of the deployment"},
		{"Owner and group of a symbolic link", "given to what the link leads to", "given to the link itself"},
		{"acls without permissions (`u:bob:`)", "no permissions", "refused; write `u:bob:-`"},
		{"Source or script outside of the bundle (`../x`)", "taken", "refused"},
		{"Link in a bundle that leads out of it, by a whole path or by `..`", "unpacked and installed", "the bundle is refused; make the link in a script"},
		{"Owners and set-id bits in a tar file", "kept, when the agent is root", "left out; `permissions` give them"},
		{"A name that comes twice in a zip file", "the last one counts", "the bundle is refused"},
		{"A key that comes twice in one place", "the last one counts", "the event fails and names both lines"},
		{"Relative destination", "below the agent's working directory", "refused"},
		{"`except`, `type` or `acls` as a single value", "fails without a clear message", "a list of one"},
		{"Overwriting a file", "its content is replaced in place; a link is followed", "a new file takes its place at once; a link is replaced"},
		{"Users of `runas`, `owner`, `group`", "by `su`, which fails for a user without a login shell, and from all name services", "without `su`, and from all name services by `getent`"},
		{"`sudo: true`, when the agent is root", "by `sudo`, which takes the environment away, `LIFECYCLE_EVENT` and the others included", "without `sudo`, and with the environment"},
		{"Working directory of scripts", "the agent's", "`/`"},
		{"A long line in a failed script's log", "empties the log", "its end is kept"},
		{"Timeout that is no number", "the digits at its beginning count, `5m` is 5 seconds; without any it fails and names no line", "fails and names line and column, as every problem does"},
	}
}
