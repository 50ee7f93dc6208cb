package s3api_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestADenialOfOneObjectHoldsAmongMany holds that what a policy denies can't be done by naming the object in the body, beside others.
func TestADenialOfOneObjectHoldsAmongMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	c := w.sdk("USER")
	for _, key := range []string{"kept/a", "other/b"} {
		if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bundles"), Key: &key, Body: strings.NewReader("x")}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("bundles"), Key: aws.String("kept/a")}); codeOf(err) != "AccessDenied" {
		t.Errorf("one alone: %v", err)
	}
	out, err := c.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: aws.String("bundles"), Delete: &types.Delete{
		Objects: []types.ObjectIdentifier{{Key: aws.String("kept/a")}, {Key: aws.String("other/b")}},
	}})
	if err != nil || len(out.Errors) != 1 || *out.Errors[0].Key != "kept/a" || *out.Errors[0].Code != "AccessDenied" || len(out.Deleted) != 1 {
		t.Errorf("among many: %+v, %v", out, err)
	}
	if _, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("bundles"), Key: aws.String("kept/a")}); err != nil {
		t.Errorf("what is kept is gone: %v", err)
	}
}
