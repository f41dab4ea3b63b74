//go:build wasip1

package abi

import (
	"math"
	"unsafe"

	"github.com/tidemill/tidemill/plugin-sdk/go/tidemill"
)

// parameterValue is the contract's variant: a case, and 8 bytes for any of them.
type parameterValue struct {
	kind    uint32
	_       uint32
	payload uint64
}

type parameter struct {
	name       List
	kind       uint32
	_          uint32
	hasDefault uint32
	_          uint32
	value      parameterValue
	doc        List
}

type setting struct {
	name  List
	value parameterValue
}

type description struct {
	name, version, summary, parameters List
	reads                              uint32
	ports                              List
	stateVersion                       uint32
}

var (
	described  description
	rows       []parameter
	ports      []List
	about      tidemill.About
	configured [3]uint32
	plugin     tidemill.Plugin
	identity   struct{ name, version string }
)

// Describes says which plugin this component is.
func Describes(of tidemill.Plugin, name, version string) {
	plugin, about = of, of.About()
	identity.name, identity.version = name, version
}

//go:wasmexport tidemill:plugin/definition@0.1.0#describe
func describe() Address {
	Done()
	rows, ports = nil, nil
	for _, known := range plugin.Parameters() {
		row := parameter{name: TextOf(known.Name), kind: uint32(known.Kind), doc: TextOf(known.Doc)}
		if known.Default != nil {
			row.hasDefault, row.value = 1, valueOf(known.Default)
		}
		rows = append(rows, row)
	}
	for _, port := range about.Ports {
		ports = append(ports, TextOf(port))
	}
	described = description{
		name: TextOf(identity.name), version: TextOf(identity.version), summary: TextOf(about.Summary),
		parameters: ListOf(rows), reads: uint32(about.Reads), ports: ListOf(ports), stateVersion: about.StateVersion,
	}
	return AddressOf(&described)
}

//go:wasmexport tidemill:plugin/definition@0.1.0#configure
func configure(at Address, length uint32) Address {
	values := map[string]tidemill.Value{}
	for _, given := range Slice[setting](at, length) {
		// Copies: settings outlive the call.
		values[string(Slice[byte](given.name.At, given.name.Length))] = given.value.read()
	}
	Done()
	configured = [3]uint32{}
	if err := plugin.Configure(values); err != nil {
		message = err.Error()
		text := TextOf(message)
		configured = [3]uint32{1, text.At, text.Length}
	}
	return AddressOf(&configured)
}

// defaults keeps the texts of default values where the collector finds them.
func valueOf(value tidemill.Value) parameterValue {
	switch value := value.(type) {
	case string:
		text := TextOf(value)
		return parameterValue{kind: 0, payload: uint64(text.At) | uint64(text.Length)<<32}
	case int64:
		return parameterValue{kind: 1, payload: uint64(value)}
	case float64:
		return parameterValue{kind: 2, payload: math.Float64bits(value)}
	case bool:
		return parameterValue{kind: 3, payload: uint64(*(*byte)(unsafe.Pointer(&value)))}
	default:
		return parameterValue{}
	}
}

func (v *parameterValue) read() tidemill.Value {
	// What a variant's case does not use is not written: only its own bytes may be looked at.
	switch uint8(v.kind) {
	case 0:
		return string(Slice[byte](uint32(v.payload), uint32(v.payload>>32)))
	case 1:
		return int64(v.payload)
	case 2:
		return math.Float64frombits(v.payload)
	default:
		return uint8(v.payload) != 0
	}
}
