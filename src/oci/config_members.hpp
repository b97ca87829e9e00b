// SPDX-License-Identifier: Apache-2.0
// The members of an image configuration, brought to the one form that the readers of this project expect.
// Source: OCI image-spec 1.1 config.md; Docker's additions (Shell, OnBuild, Healthcheck) as
// BuildKit reads them (moby/docker-image-spec, DockerOCIImage).
//
// Docker, containerd, BuildKit and skopeo read a configuration with Go's encoding/json, and real ones rely on
// that (go_json.hpp): a member that is null is as if it were absent, and a null inside a list or a map is the
// empty value of its type. Here that is done once, for every member, so that nothing else has to know it.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace bottle::oci {

// Removes null members, fills in null elements, and checks the type of every member that the sources above
// define: a wrong one is an Error with the JSON pointer. Members that they do not define stay as they are.
// `name` is the place in errors.
void normalize_config(nlohmann::json& config, const std::string& name);
// The same for a text.
nlohmann::json read_config(std::string_view text, const std::string& name);

}  // namespace bottle::oci
