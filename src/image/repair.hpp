// SPDX-License-Identifier: Apache-2.0
// What a step of a bottle finds damaged is made again. An image lies in build directories (its own, and those
// of the bottles that it is made from) and in the store, as files that no rule of a build tool names: so
// without this a missing or altered one would fail every build that reads it.
#pragma once

#include <functional>
#include <string>

#include "image/model/spec.hpp"

namespace bottle::image {

enum class OwnImage { is_made, is_read };  // by the step

// Runs `work`. If that ends with an oci::DamageError of a plan or a blob, what does not have its digest is
// dropped from the build directories and the store, `rebuild` makes the images again (those of the bottles
// that `spec` is made from, and its own if `work` reads it and it has a specification file), and `work` runs
// again; `warn` gets a line. If a file of a context is another than it was, or repairing did not help,
// the stamps that led there are removed: then the next build looks at everything again.
//
// `work` must hold no lock of a build directory when it throws.
void repair_and_repeat(const BuildSpec& spec, OwnImage own,
                       const std::function<void(const std::string&)>& warn,
                       const std::function<void(const BuildSpec&)>& rebuild,
                       const std::function<void()>& work);

}  // namespace bottle::image
