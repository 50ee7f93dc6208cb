// Package lb is a load balancer for HTTP/1.1: listeners accept connections and forward each request to a target of one of
// their target groups.
//
// It owns the sockets, the health checks, the choice of a target and the draining of deregistered ones. It keeps nothing on
// disk, and it knows neither deployments nor what a registration or an environment is for: package traffic/builtin does.
//
// # What it promises
//
//   - Choosing a target and counting the request on it happen under one lock, the same that deregistration takes. After
//     [Balancer.Deregister] returned, no new request goes to that target, and [StateDraining] ends in the moment in which the
//     last byte of the last answer has been read from it (or when the deregistration delay is over; then its connections
//     are cut).
//   - A request is sent a second time only if that cannot do it twice: after a failed dial (nothing was sent), or when the
//     connection ended before one byte of the answer and the method is idempotent and the body still at hand.
//   - What two readers could frame differently is refused, in both directions: see [refusal] and request.go.
//   - A target that was registered less than [Limits.FirstVerdictWait] ago and has no verdict yet holds requests back for at most
//     that time when its group has nothing better, so a restart of the balancer or the replacement of the only
//     target loses none.
//   - A [Split] gives exactly its share of any requests in a row to the targets of one environment, give or take one request. When the side
//     that a request was given to has no healthy target, the other side serves it: a share never costs a request.
//   - When every target of a group is unhealthy, requests go to those which have been healthy once: a failing health check
//     alone never takes a whole service down (Elastic Load Balancing fails open in the same way).
//
// # Concurrency
//
// Each client connection is one goroutine, which also talks to the target; a request body too large to buffer and an upgraded
// connection borrow a second one for as long as they last. Each registered target has one goroutine that probes it. A
// [Balancer] starts them all and its Stop waits for them. All exported methods may be called from any goroutine. Lock order:
// listener, then group; never two groups at once.
//
// # Why not net/http
//
// net/http/httputil.ReverseProxy costs several goroutine switches and some dozens of allocations per request. Here, a
// request whose head and body arrive together is parsed in place, claimed, and relayed with one write and one read on each side
// and without an allocation.
package lb
