// Write the Node.js SDK of a component package, as `pulumi package add` does.
//
// The language host that ships with Pulumi's installer is in no package registry, but the generator that it calls is.
//
//	nodejs-sdk DIRECTORY < schema.json
package main

import (
	"encoding/json"
	"log"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/pkg/v3/codegen/nodejs"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

func main() {
	log.SetFlags(0)
	var spec schema.PackageSpec
	must(json.NewDecoder(os.Stdin).Decode(&spec))
	// The package refers to no type of another one.
	none := schema.NewCachedLoader(nil)
	pkg, diagnostics, err := schema.BindSpec(spec, none, schema.ValidationOptions{})
	must(err)
	if diagnostics.HasErrors() {
		must(diagnostics)
	}
	files, err := nodejs.GeneratePackage("ebbtide", pkg, nil, nil, true, none)
	must(err)
	for name, content := range files {
		path := filepath.Join(os.Args[1], name)
		must(os.MkdirAll(filepath.Dir(path), 0o755))
		must(os.WriteFile(path, content, 0o644))
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
