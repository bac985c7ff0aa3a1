package bundle

// ParseManifest lets tests read what is signed without signing it.
var ParseManifest = parseManifest
