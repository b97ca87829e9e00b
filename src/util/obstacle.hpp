// SPDX-License-Identifier: Apache-2.0
// What is in the place of a file or directory that a tool is about to write: a directory where a file
// belongs, or a file or a link without a target where a directory belongs.
//
// Only an empty directory is removed. Everything else may be someone's data: the error names the command that
// removes it.
#pragma once

#include <filesystem>
#include <string_view>

namespace bottle {

// After a failure to write a file. true: an empty directory was at `place` and is removed, so that another
// attempt can succeed. Throws Error if a directory with content is there; false for all other reasons.
bool remove_obstacle(std::string_view action, const std::filesystem::path& place);

// After a failure to make the directory, with the failure's errno: throws Error, with a command if a file or
// a link on the path is the reason.
[[noreturn]] void throw_no_directory(const std::filesystem::path& directory, int error_number);

// After a failure to open a file that the tool itself created there, with the failure's errno: throws Error.
// Its hint is the command that removes a directory or a link which is there instead.
[[noreturn]] void throw_no_file(std::string_view action, const std::filesystem::path& place,
                                int error_number);

}  // namespace bottle
