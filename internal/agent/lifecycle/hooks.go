package lifecycle

import (
	"context"
	"errors"
	"path/filepath"

	"crossfade/internal/agent/rootdir"
	"crossfade/internal/agent/script"
	"crossfade/internal/agent/scriptlog"
	"crossfade/internal/appspec"
	"crossfade/internal/envelope"
)

// hooks are the scripts of one event, ready to run.
type hooks struct {
	host     *Host
	event    string
	spec     envelope.Specification
	revision rootdir.Deployment // whose scripts they are
	scripts  []appspec.Script
}

// newHooks finds the scripts of the event. None is no error.
func (h *Host) newHooks(e event, spec envelope.Specification) (hooks, error) {
	found := hooks{host: h, event: e.name, spec: spec}
	p, there, err := h.revisionOf(e, spec)
	if err != nil || !there {
		return found, err
	}
	s, err := h.readAppSpec(p, spec.AppSpecFilename)
	if err != nil {
		return found, err
	}
	found.revision, found.scripts = p, s.Hooks[e.name]
	return found, nil
}

// run runs the scripts one after the other. What they write is logged under the current deployment, whosever scripts they are.
func (h hooks) run(ctx context.Context, out Output) (err error) {
	own := h.host.Dir.Deployment(h.spec.DeploymentGroupID, h.spec.DeploymentID)
	record, err := scriptlog.NewRecorder(h.host.ScriptsLog, h.spec.DeploymentID, own.ScriptsLog(), h.host.Now)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := record.Close(); closeErr != nil {
			h.host.Log.Error("script output is missing in a log", "deployment", h.spec.DeploymentID, "error", closeErr)
		}
	}()
	record.Line("LifecycleEvent - " + h.event)
	env := append(append([]string(nil), h.host.Environ...), eventEnvironment(h.event, h.spec)...)
	for _, s := range h.scripts {
		record.Line("Script - " + s.Location)
		out.Script(s.Location)
		err := script.Run(ctx, script.Script{
			Path:     filepath.Join(h.revision.Archive(), filepath.FromSlash(s.Location)),
			Location: s.Location, Timeout: s.Timeout, RunAs: s.RunAs, Sudo: s.Sudo, Env: env, Cgroups: h.host.Cgroups,
		}, func(stream script.Stream, line string) {
			record.Line("[" + string(stream) + "]" + line)
			out.Line(stream, line)
		})
		if err != nil {
			return &scriptError{err: err, log: record.Tail()}
		}
	}
	return nil
}

// scriptError carries the log of the event that failed.
type scriptError struct {
	err error
	log string
}

func (e *scriptError) Error() string { return e.err.Error() }
func (e *scriptError) Unwrap() error { return e.err }

// eventEnvironment is what scripts learn of the current deployment, by the names of the CodeDeploy user guide.
func eventEnvironment(event string, spec envelope.Specification) []string {
	env := []string{
		"LIFECYCLE_EVENT=" + event,
		"DEPLOYMENT_ID=" + spec.DeploymentID,
		"APPLICATION_NAME=" + spec.ApplicationName,
		"DEPLOYMENT_GROUP_NAME=" + spec.DeploymentGroupName,
		"DEPLOYMENT_GROUP_ID=" + spec.DeploymentGroupID,
	}
	switch r := spec.Revision; r.RevisionType {
	case envelope.RevisionS3:
		env = append(env, "BUNDLE_BUCKET="+r.S3Revision.Bucket, "BUNDLE_KEY="+r.S3Revision.Key)
		if v := r.S3Revision.Version; v != "" {
			env = append(env, "BUNDLE_VERSION="+v)
		}
		if e := r.S3Revision.ETag; e != "" {
			env = append(env, "BUNDLE_ETAG="+e)
		}
	case envelope.RevisionGitHub:
		env = append(env, "BUNDLE_COMMIT="+r.GitHubRevision.CommitID)
	}
	return env
}

// logOf is the script output that belongs to an error.
func logOf(err error) string {
	var e *scriptError
	if errors.As(err, &e) {
		return e.log
	}
	return ""
}
