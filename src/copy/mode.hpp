// SPDX-License-Identifier: Apache-2.0
// The value of --chmod: octal ("0644", up to 07777) or symbolic as of chmod(1) ("u=rwX,go=rX").
// Source: BuildKit's dispatchCopy; symbolic modes as in FreeBSD's setmode(3), which BuildKit's library
// follows, without a umask.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace bottle::copy {

class ModeChange {
 public:
  // Throws on anything else.
  static ModeChange parse(std::string_view text);

  std::uint16_t apply(std::uint16_t mode, bool is_directory) const;
  // The mode of directories made on the way to the destination: the permission bits of an octal mode.
  std::uint16_t mode_of_made_directories() const;
  // Whether the result is the same whatever the mode was: octal modes, and symbolic ones such as "a=rX".
  bool replaces_mode() const;

 private:
  struct Step {
    enum class Kind : std::uint8_t { add, clear, add_if_executable, copy } kind;
    std::uint16_t bits = 0;
    // copy: from one class ('u', 'g', 'o') to those in `bits`, adding, clearing or setting ('+', '-', '=').
    char from = 0;
    char operation = 0;
  };
  void parse_clause(std::string_view& rest, std::string_view text);
  void add_permissions(char operation, std::uint16_t who, std::uint16_t bits);

  std::optional<std::uint16_t> octal_;
  std::vector<Step> steps_;
};

}  // namespace bottle::copy
