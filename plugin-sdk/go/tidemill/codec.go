package tidemill

import (
	"encoding"
	"fmt"
	"reflect"
	"unsafe"
)

// codec keeps accumulators as bytes.
type codec[A any] struct {
	encode func(to []byte, accumulator *A) ([]byte, error)
	decode func(from []byte, accumulator *A) error
}

// codecOf uses the author's own encoding, where there is one, and else that of plain structs: their fields one
// after the other, without gaps. It panics where an author has to change something.
func codecOf[A any]() codec[A] {
	_, appends := any(new(A)).(encoding.BinaryAppender)
	_, reads := any(new(A)).(encoding.BinaryUnmarshaler)
	if appends && reads {
		return codec[A]{
			func(to []byte, a *A) ([]byte, error) { return any(a).(encoding.BinaryAppender).AppendBinary(to) },
			func(from []byte, a *A) error { return any(a).(encoding.BinaryUnmarshaler).UnmarshalBinary(from) },
		}
	}
	pieces, err := piecesOf(reflect.TypeFor[A](), 0, nil)
	if err != nil {
		panic(fmt.Sprintf("the accumulator %v: %v; or give it AppendBinary and UnmarshalBinary",
			reflect.TypeFor[A](), err))
	}
	return plain[A](pieces)
}

// span of bytes of a struct in memory.
type span struct {
	offset, size uintptr
}

func plain[A any](pieces []span) codec[A] {
	var size uintptr
	for _, piece := range pieces {
		size += piece.size
	}
	bytesOf := func(a *A, piece span) []byte {
		return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(a), piece.offset)), piece.size)
	}
	encode := func(to []byte, a *A) ([]byte, error) {
		for _, piece := range pieces {
			to = append(to, bytesOf(a, piece)...)
		}
		return to, nil
	}
	decode := func(from []byte, a *A) error {
		if uintptr(len(from)) != size {
			return fmt.Errorf("an accumulator has %d bytes, not %d", len(from), size)
		}
		for _, piece := range pieces {
			from = from[copy(bytesOf(a, piece), from):]
		}
		return nil
	}
	return codec[A]{encode, decode}
}

// piecesOf finds the bytes of all fields; those that touch are one piece.
func piecesOf(of reflect.Type, offset uintptr, pieces []span) ([]span, error) {
	var err error
	switch of.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8,
		reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		if last := len(pieces) - 1; last >= 0 && pieces[last].offset+pieces[last].size == offset {
			pieces[last].size += of.Size()
			return pieces, nil
		}
		return append(pieces, span{offset, of.Size()}), nil
	case reflect.Array:
		for index := range of.Len() {
			if pieces, err = piecesOf(of.Elem(), offset+uintptr(index)*of.Elem().Size(), pieces); err != nil {
				return nil, err
			}
		}
		return pieces, nil
	case reflect.Struct:
		for index := range of.NumField() {
			field := of.Field(index)
			if pieces, err = piecesOf(field.Type, offset+field.Offset, pieces); err != nil {
				return nil, err
			}
		}
		return pieces, nil
	default:
		return nil, fmt.Errorf("%v has no fixed size: numbers, arrays and structs of them expected", of)
	}
}
