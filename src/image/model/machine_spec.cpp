// SPDX-License-Identifier: Apache-2.0
#include "image/model/machine_spec.hpp"

#include "util/json.hpp"

namespace bottle::image {
inline namespace model {

MachineSpec load_machine_spec(const fs::path& file) {
  const Json document = parse_json(read_file(file), file.native());
  const JsonView view(document, file.native() + "#");
  MachineSpec spec;
  if (const auto pack = view.find("pack")) {
    if (const auto user = pack->find("user")) spec.user = user->string();
    spec.smolvm_version = pack->string_or("smolvmVersion", "");
  }
  return spec;
}

}  // namespace model
}  // namespace bottle::image
