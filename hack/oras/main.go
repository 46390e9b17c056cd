// Command oras is a client made of ORAS's own library, for tests: it attaches
// signatures and the like to images, finds them and fetches an image with all of
// them.
//
//	oras attach  HOST/REPOSITORY@DIGEST TYPE FILE   prints the digest of what was attached
//	oras discover HOST/REPOSITORY@DIGEST            prints the digests of what is attached, sorted
//	oras fetch   HOST/REPOSITORY@DIGEST DIR         into an OCI layout, with what is attached
//
// The user is OCI_USERNAME with OCI_PASSWORD, the CA in SSL_CERT_FILE.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/retry"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "oras:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: oras attach|discover|fetch HOST/REPOSITORY@DIGEST ...")
	}
	repo, err := remote.NewRepository(args[1])
	if err != nil {
		return err
	}
	repo.Client = &auth.Client{Client: retry.DefaultClient, Cache: auth.NewCache(), Credential: auth.StaticCredential(repo.Reference.Registry,
		auth.Credential{Username: os.Getenv("OCI_USERNAME"), Password: os.Getenv("OCI_PASSWORD")})}
	subject, err := repo.Resolve(ctx, repo.Reference.Reference)
	if err != nil {
		return err
	}
	switch {
	case args[0] == "attach" && len(args) == 4:
		return attach(ctx, repo, subject, args[2], args[3])
	case args[0] == "discover" && len(args) == 2:
		found, err := registry.Referrers(ctx, repo, subject, "")
		var digests []string
		for _, d := range found {
			digests = append(digests, d.Digest.String())
		}
		slices.Sort(digests)
		for _, d := range digests {
			fmt.Println(d)
		}
		return err
	case args[0] == "fetch" && len(args) == 3:
		into, err := oci.New(args[2])
		if err != nil {
			return err
		}
		return oras.ExtendedCopyGraph(ctx, repo, into, subject, oras.DefaultExtendedCopyGraphOptions)
	}
	return fmt.Errorf("not understood: %q", args)
}

func attach(ctx context.Context, repo *remote.Repository, subject ocispec.Descriptor, kind, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	layer, err := oras.PushBytes(ctx, repo, "application/octet-stream", data)
	if err != nil {
		return err
	}
	m, err := oras.PackManifest(ctx, repo, oras.PackManifestVersion1_1, kind, oras.PackManifestOptions{Subject: &subject, Layers: []ocispec.Descriptor{layer}})
	if err != nil {
		return err
	}
	fmt.Println(m.Digest)
	return nil
}
