// SPDX-License-Identifier: Apache-2.0
// What the headers of {fmt} only declare, compiled here once: libfmt.so would be one library more to load at
// each start, and bring the shared standard library with it; the header-only form costs every source file
// four seconds of compilation. Used only if programs can be linked with it (CMakeLists.txt).
#include <fmt/format-inl.h>

#include <locale>

namespace fmt {

template detail::thousands_sep_result<char> detail::thousands_sep_impl<char>(detail::locale_ref);
template char detail::decimal_point_impl<char>(detail::locale_ref);
template std::locale detail::locale_ref::get<std::locale>() const;

}  // namespace fmt
