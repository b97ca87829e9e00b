// SPDX-License-Identifier: Apache-2.0
// What a step depends on is not as an earlier step left it. Such an Error has its own type, because the step
// can be repeated when what is damaged has been made again.
#pragma once

#include <string>
#include <utility>

#include "util/error.hpp"

namespace bottle::oci {

enum class Damage {
  plan,  // a file of an image plan is missing or altered
  blob,  // the same of a blob, in a build directory or in the store
  file,  // a file of a context is not what it was when it was last looked at
};

class DamageError : public Error {
 public:
  DamageError(Damage damage, std::string message, ErrorPlace place)
      : Error(std::move(message), std::move(place)), damage_(damage) {}
  Damage damage() const { return damage_; }

 private:
  Damage damage_;
};

}  // namespace bottle::oci
