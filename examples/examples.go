// Package examples holds the files that show how Crossfade is used, so that the demo deploys the very application that a reader sees.
//
// It owns no code.
package examples

import "embed"

// App is the sample application: a bundle with AppSpec, scripts and the site that it serves, in the directory "app".
//
//go:embed app
var App embed.FS
