package s3store

import (
	"errors"
	"fmt"
	"syscall"
)

// Code is the name that S3 has for a refusal.
type Code string

// The refusals of the store.
const (
	NoSuchBucket         Code = "NoSuchBucket"
	NoSuchKey            Code = "NoSuchKey"
	NoSuchUpload         Code = "NoSuchUpload"
	BucketExists         Code = "BucketAlreadyExists"
	BucketOwned          Code = "BucketAlreadyOwnedByYou"
	BucketNotEmpty       Code = "BucketNotEmpty"
	InvalidBucketName    Code = "InvalidBucketName"
	InvalidPart          Code = "InvalidPart"
	InvalidPartOrder     Code = "InvalidPartOrder"
	InvalidArgument      Code = "InvalidArgument"
	KeyTooLong           Code = "KeyTooLongError"
	EntityTooLarge       Code = "EntityTooLarge"
	EntityTooSmall       Code = "EntityTooSmall"
	IncompleteBody       Code = "IncompleteBody"
	PreconditionFailed   Code = "PreconditionFailed"
	BadDigest            Code = "BadDigest"
	InsufficientCapacity Code = "InsufficientCapacity"
)

// Error is a refusal, for the caller to read. Every other error is a fault of the machine, for the operator to read.
type Error struct {
	Code    Code
	Message string
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

func refuse(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// diskError says what could not be done; a full disk is the caller's to know of.
func diskError(doing string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return refuse(InsufficientCapacity, "The server's disk is full; delete old revisions or give it more space.")
	}
	return fmt.Errorf("%s: %w", doing, err)
}
