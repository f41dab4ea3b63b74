//go:build wasip1

// Package abi is the canonical ABI of the contract, by hand: how the host's values lie in linear memory.
//
// Go's pointers have 64 bits here, the contract's have 32: everything that is shared is made of words of 32 bits,
// and an address is one.
package abi

import "unsafe"

// Address of something in linear memory.
type Address = uint32

// arena is where a call's parameters lie. It is emptied as a whole with the first allocation after a call, so
// that a plugin that runs for days allocates nothing for them, and nothing of it is ever the collector's to find.
type arena struct {
	chunks [][]byte
	used   int
	// Of all chunks of the call.
	total  int
	isDone bool
}

const chunkBytesMin = 64 << 10

var parameters arena

//go:wasmexport cabi_realloc
func cabiRealloc(old, oldBytes, align, bytes uint32) Address {
	if bytes == 0 {
		return align
	}
	at := parameters.allocate(int(bytes), int(align))
	if old != 0 && oldBytes != 0 {
		copy(Slice[byte](at, bytes), Slice[byte](old, min(oldBytes, bytes)))
	}
	return at
}

// Done says that the call's parameters are not needed any more.
func Done() {
	parameters.isDone = true
}

func (a *arena) allocate(bytes, align int) Address {
	if a.isDone {
		a.empty()
	}
	last := len(a.chunks) - 1
	start := (a.used + align - 1) &^ (align - 1)
	if last < 0 || start+bytes > len(a.chunks[last]) {
		a.chunks = append(a.chunks, make([]byte, max(bytes, chunkBytesMin, a.total)))
		a.total += len(a.chunks[last+1])
		last, start = last+1, 0
	}
	a.used = start + bytes
	return AddressOf(&a.chunks[last][start])
}

// empty keeps one chunk, large enough for all that the call before had.
func (a *arena) empty() {
	if len(a.chunks) > 1 {
		a.chunks = [][]byte{make([]byte, a.total)}
	}
	a.used, a.isDone = 0, false
}

// AddressOf is where something lies.
func AddressOf[T any](at *T) Address {
	return uint32(uintptr(unsafe.Pointer(at)))
}

// Slice is a view of a list.
func Slice[T any](at Address, length uint32) []T {
	if length == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(uintptr(at))), length)
}

// at is a word in memory.
func word(at Address) uint32 {
	return *(*uint32)(unsafe.Pointer(uintptr(at)))
}

// List is pointer and length.
type List struct {
	At, Length uint32
}

// ListOf is where a list lies that Go's memory holds; who returns it keeps it alive.
func ListOf[T any](list []T) List {
	if len(list) == 0 {
		// Never looked at, but aligned for any type.
		return List{At: 8}
	}
	return List{AddressOf(unsafe.SliceData(list)), uint32(len(list))}
}

// TextOf is where a text lies.
func TextOf(text string) List {
	return ListOf(unsafe.Slice(unsafe.StringData(text), len(text)))
}
