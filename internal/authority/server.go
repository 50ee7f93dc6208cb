package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	serverLife = 90 * 24 * time.Hour
	// renewAfter is the age at which a server's certificate is renewed, so that a server that can't has a month to be noticed.
	renewAfter = 60 * 24 * time.Hour
)

// Server is the certificate of an endpoint, issued by the authority and kept in memory.
type Server struct {
	authority *Authority
	names     []string
	now       func() time.Time
	log       *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	renew   time.Time
}

// Server makes the certificate for the names, which are host names and IP addresses. For each host name of several labels it is also good for the
// names below it, because buckets are addressed there.
func (a *Authority) Server(names []string, now func() time.Time, log *slog.Logger) (*Server, error) {
	s := &Server{authority: a, names: names, now: now, log: log}
	_, err := s.Certificate(nil)
	return s, err
}

// Certificate is what tls.Config.GetCertificate wants.
func (s *Server) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && now.Before(s.renew) {
		return s.current, nil
	}
	made, err := s.make(now)
	switch {
	case err == nil:
		if s.current != nil {
			s.log.Info("the server's certificate was renewed", "names", s.names, "end", made.Leaf.NotAfter)
		}
		s.current, s.renew = made, now.Add(renewAfter)
	case s.current != nil && now.Before(s.current.Leaf.NotAfter):
		s.log.Error("the server's certificate could not be renewed and is used on", "end", s.current.Leaf.NotAfter, "error", err)
	default:
		return nil, err
	}
	return s.current, nil
}

func (s *Server) make(now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the server's key: %w", err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "crossfade"}, NotBefore: now.Add(-clockSlack).UTC(), NotAfter: now.Add(serverLife).UTC(),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	if s.authority.cert.NotAfter.Before(template.NotAfter) {
		template.NotAfter = s.authority.cert.NotAfter
	}
	for _, name := range s.names {
		if address, err := netip.ParseAddr(name); err == nil {
			template.IPAddresses = append(template.IPAddresses, net.IP(address.Unmap().AsSlice()))
			continue
		}
		template.DNSNames = append(template.DNSNames, name)
		if strings.Contains(name, ".") {
			template.DNSNames = append(template.DNSNames, "*."+name)
		}
	}
	cert, err := issue(template, s.authority.cert, key.Public(), s.authority.key)
	if err != nil {
		return nil, fmt.Errorf("issue the server's certificate for %s: %w", strings.Join(s.names, ", "), err)
	}
	return &tls.Certificate{Certificate: [][]byte{cert.Raw, s.authority.cert.Raw}, PrivateKey: key, Leaf: cert}, nil
}

// Names are the names and addresses by which an endpoint may be called, each once: those that were given, this machine's name, and what the listening
// address stands for. machine and addresses are the machine's own.
func Names(given []string, listen, machine string, addresses []netip.Addr) []string {
	var names []string
	add := func(name string) {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		if address, err := netip.ParseAddr(name); err == nil {
			name = address.Unmap().WithZone("").String()
		}
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range given {
		add(name)
	}
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		host = listen
	}
	address, err := netip.ParseAddr(host)
	switch {
	case host == "" || err == nil && address.IsUnspecified():
		add(machine)
		for _, a := range addresses {
			if !a.IsLinkLocalUnicast() {
				add(a.String())
			}
		}
	default:
		add(host)
	}
	for _, own := range []string{"localhost", "127.0.0.1", "::1"} {
		add(own)
	}
	return names
}
