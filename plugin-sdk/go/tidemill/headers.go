package tidemill

import (
	"encoding/binary"
	"iter"
)

// Header is a name, and a value that is nil where there is none.
type Header struct {
	Name  string
	Value []byte
}

// DecodeHeaders goes over headers in Kafka's encoding: a count, then each name and value, with their lengths
// before them; all numbers are zig-zag varints. **Bytes that are no headers end it; they never panic.**
func DecodeHeaders(encoded []byte) iter.Seq[Header] {
	return func(yield func(Header) bool) {
		count, rest, ok := number(encoded)
		for ; ok && count > 0; count-- {
			var name, value []byte
			if name, rest, ok = piece(rest); !ok || name == nil {
				return
			}
			if value, rest, ok = piece(rest); !ok {
				return
			}
			if !yield(Header{textOf(name), value}) {
				return
			}
		}
	}
}

func number(from []byte) (int64, []byte, bool) {
	value, length := binary.Varint(from)
	if length <= 0 {
		return 0, nil, false
	}
	return value, from[length:], true
}

// piece is nil where its length is negative.
func piece(from []byte) (piece, rest []byte, ok bool) {
	length, rest, ok := number(from)
	if !ok || length > int64(len(rest)) {
		return nil, nil, false
	}
	if length < 0 {
		return nil, rest, true
	}
	return rest[:length:length], rest[length:], true
}

// appendHeaders writes Kafka's encoding.
func appendHeaders(to []byte, headers []Header) []byte {
	to = binary.AppendVarint(to, int64(len(headers)))
	for _, header := range headers {
		to = binary.AppendVarint(to, int64(len(header.Name)))
		to = append(to, header.Name...)
		if header.Value == nil {
			to = binary.AppendVarint(to, -1)
			continue
		}
		to = binary.AppendVarint(to, int64(len(header.Value)))
		to = append(to, header.Value...)
	}
	return to
}
