// SPDX-License-Identifier: Apache-2.0
// How a specification was understood, as JSON for people and tests (bottle-fingerprint --print).
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "image/model/spec.hpp"
#include "image/resolve/resolve.hpp"

namespace bottle::image {

// The Dockerfile alone: nothing else is read. See dockerfile/describe.hpp.
nlohmann::ordered_json describe_syntax(const BuildSpec& spec);
nlohmann::ordered_json describe_stages(const BuildSpec& spec);

// What the image depends on:
// {"dockerfile": {"path", "digest"}, "platform", "target", "epoch", "labels": {...},
//  "contexts": [{"name", "path", "files": [{"path", "type", "mode", "size", "digest", "link"}]}],
//  "sources": [{"name", "used": ["FROM"|"COPY"|"ADD"|"RUN"...], "lines": [n...], "resolved": bool,
//  "identity"}],
//  "arguments": {name: value}, "ignoredArguments": [...],
//  "secrets": [{"id", "required", "given"}], "ssh": [id...], "dependencies": [path...]}
nlohmann::ordered_json describe_inputs(const resolve::Resolved& resolved);

// The plan of the build: {"target", "levels": [[stage...]...], "stages": [{"number", "name", "lines", "base",
//  "platform", "needs", "steps": [{"instruction", "lines", "text", "makesLayer", "stages", "contexts",
//  "sources"}]}]}. Stages are in an order in which they can be built; those of one level do not depend on one
// another.
nlohmann::ordered_json describe_plan(const resolve::Resolved& resolved);

}  // namespace bottle::image
