#!/bin/bash -eu
# Builds every fuzz target of the repository for ClusterFuzzLite. A test keeps the list complete.
package=github.com/pagepool/pagepool/properties
compile_native_go_fuzzer_v2 $package FuzzTrace FuzzTrace
compile_native_go_fuzzer_v2 $package FuzzSchedule FuzzSchedule
compile_native_go_fuzzer_v2 $package FuzzSettings FuzzSettings
zip -qj "$OUT/FuzzTrace_seed_corpus.zip" testdata/traces/*.trace testdata/incidents/*.trace testdata/regressions/*.trace
