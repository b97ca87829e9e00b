// SPDX-License-Identifier: Apache-2.0
// JSON documents of images as Go's encoding/json decodes them into a structure, because Docker, containerd,
// BuildKit and skopeo do that, and images in use rely on it.
// Source: encoding/json, "Unmarshal" and "Decoder.UseNumber".
//
// - A member whose name differs from a known one in the case of ASCII letters only is that member ("env" is
//   "Env"). Names inside a map (labels, annotations) and unknown members keep their case.
// - Of a member that appears twice, the later one counts. Two objects and two maps are merged, and a later
//   null changes neither a string, a number, a boolean nor an object.
// - Invalid UTF-8 and unpaired surrogates (`\ud800`) in strings are U+FFFD.
// - A byte order mark and a NUL behind the document are errors.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace bottle::oci {

enum class MemberType {
  string,
  boolean,
  integer,
  time,     // RFC 3339
  strings,  // a list
  set,      // a map whose values are empty objects
  map,      // of strings
  object,
  objects,  // a list
};

struct Member {
  const char* name;
  MemberType type;
  std::span<const Member> members = {};  // of object and objects
};

// `root` says what the document is; its name has no meaning. `name` is the place in errors. Types are not
// checked. Refuses nesting deeper than 64.
nlohmann::json parse_go_json(std::string_view text, const Member& root, const std::string& name);

}  // namespace bottle::oci
