package classify

import "github.com/endoflow/endoflow/internal/wire"

// ErrCorrupt is in the chain of the error for a binary form that is damaged.
var ErrCorrupt = wire.ErrCorrupt

// The binary forms of this package are framed by package internal/wire: kind,
// version, body, checksum.
const (
	kindCensus    = "efCe"
	kindAgreement = "efAg"
	version       = 1
)
