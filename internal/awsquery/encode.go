package awsquery

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"reflect"
	"strconv"
	"time"
)

// document writes a whole answer.
type document struct{ bytes.Buffer }

func (d *document) open(name string)  { d.WriteString("<" + name + ">") }
func (d *document) close(name string) { d.WriteString("</" + name + ">") }

// namespaced opens a root element; an empty namespace is none.
func (d *document) namespaced(name, namespace string) error {
	if namespace == "" {
		d.open(name)
		return nil
	}
	d.WriteString("<" + name + ` xmlns="`)
	if err := xml.EscapeText(d, []byte(namespace)); err != nil {
		return err
	}
	d.WriteString(`">`)
	return nil
}

// element writes text. What XML can't hold becomes U+FFFD.
func (d *document) element(name, text string) error {
	d.open(name)
	if err := xml.EscapeText(d, []byte(text)); err != nil {
		return err
	}
	d.close(name)
	return nil
}

// encode writes the answer of an operation; out is nil for one without an output.
func encode(operation, namespace, requestID string, out any) ([]byte, error) {
	var d document
	err := d.namespaced(operation+"Response", namespace)
	if err == nil && out != nil {
		err = d.value(operation+"Result", reflect.ValueOf(out))
	}
	if err == nil {
		d.open("ResponseMetadata")
		err = d.element("RequestId", requestID)
		d.close("ResponseMetadata")
	}
	d.close(operation + "Response")
	if err != nil {
		return nil, fmt.Errorf("encode the output of %s: %w", operation, err)
	}
	return d.Bytes(), nil
}

// value writes a member. What is absent is not written; an empty list is an empty element.
func (d *document) value(name string, v reflect.Value) error {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == timeType {
			return d.element(name, v.Field(0).Interface().(time.Time).UTC().Format("2006-01-02T15:04:05Z"))
		}
		return d.structure(name, v)
	case reflect.Slice:
		if v.IsNil() {
			return nil
		}
		d.open(name)
		for i := range v.Len() {
			if err := d.value("member", v.Index(i)); err != nil {
				return err
			}
		}
		d.close(name)
		return nil
	case reflect.String:
		return d.element(name, v.String())
	case reflect.Bool:
		return d.element(name, strconv.FormatBool(v.Bool()))
	case reflect.Int32, reflect.Int64:
		return d.element(name, strconv.FormatInt(v.Int(), 10))
	}
	return fmt.Errorf("no rule for the Go type %s of %s", v.Type(), name)
}

func (d *document) structure(name string, v reflect.Value) error {
	d.open(name)
	t := v.Type()
	for i := range t.NumField() {
		if member := t.Field(i).Tag.Get("query"); member != "" {
			if err := d.value(member, v.Field(i)); err != nil {
				return err
			}
		}
	}
	d.close(name)
	return nil
}

// encodeError writes an error document. By its status it is the sender's fault or the receiver's.
func encodeError(namespace, requestID, code, message string, status int) ([]byte, error) {
	var d document
	kind := "Sender"
	if status >= 500 {
		kind = "Receiver"
	}
	err := d.namespaced("ErrorResponse", namespace)
	d.open("Error")
	for _, part := range [][2]string{{"Type", kind}, {"Code", code}, {"Message", message}} {
		if err == nil {
			err = d.element(part[0], part[1])
		}
	}
	d.close("Error")
	if err == nil {
		err = d.element("RequestId", requestID)
	}
	d.close("ErrorResponse")
	return d.Bytes(), err
}
