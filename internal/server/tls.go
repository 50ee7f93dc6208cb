package server

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"

	"crossfade/internal/authority"
)

// openAuthority opens the server's own CA, which also signers of deployment specifications come from, and the certificate of the endpoint.
func (s *Server) openAuthority(o Options) error {
	log := o.Log.With("part", "tls")
	var err error
	if s.authority, err = authority.Open(o.Config.Data, o.Now(), log); err != nil {
		return err
	}
	switch {
	case o.Config.TLS.Cert != "":
		files, err := authority.OpenFiles(o.Config.TLS.Cert, o.Config.TLS.Key, o.Now, log)
		if err != nil {
			return err
		}
		s.certificate = files.Certificate
	case o.Config.HTTPS():
		own, err := s.authority.Server(s.names(), o.Now, log)
		if err != nil {
			return err
		}
		s.certificate = own.Certificate
	}
	return nil
}

// OwnAuthority reports whether clients must trust the server's own CA to reach it, and its file and fingerprint if so.
func (s *Server) OwnAuthority() (file, fingerprint string, ok bool) {
	if s.certificate == nil || s.config.TLS.Cert != "" {
		return "", "", false
	}
	file = filepath.Join(s.config.Data, authority.CertificateFile)
	if full, err := filepath.Abs(file); err == nil {
		file = full
	}
	return file, s.authority.Fingerprint(), true
}

// names are what the server may be called by.
func (s *Server) names() []string {
	given := s.config.TLS.Names
	if u, err := url.Parse(s.config.Endpoint); err == nil && u.Hostname() != "" {
		given = append([]string{u.Hostname()}, given...)
	}
	machine, err := os.Hostname()
	if err != nil {
		machine = "" // then nobody calls it by that
	}
	var addresses []netip.Addr
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		s.log.Warn("this machine's addresses are unknown, so the server's certificate is not for them", "error", err)
	}
	for _, i := range interfaces {
		if prefix, err := netip.ParsePrefix(i.String()); err == nil {
			addresses = append(addresses, prefix.Addr())
		}
	}
	return authority.Names(given, s.Addr(), machine, addresses)
}

// reachable is the address as other machines may call it: what listens on all addresses has this machine's name.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if a, err := netip.ParseAddr(host); err != nil || !a.IsUnspecified() {
		return address
	}
	machine, err := os.Hostname()
	if err != nil {
		return address
	}
	return net.JoinHostPort(machine, port)
}

// certificateOfAuthority answers with the CA's certificate, for those who compare its fingerprint.
func (s *Server) certificateOfAuthority(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/x-pem-file")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", authority.CertificateFile))
	if _, err := w.Write(s.authority.PEM()); err != nil {
		return // the client is gone
	}
}
