# SPDX-License-Identifier: Apache-2.0
# The compilation of Bottle's own sources: one static library for each room, strict warnings, the language standard.
include_guard(GLOBAL)
include(BottleToolNames)
include(CheckLinkerFlag)
include(GNUInstallDirs)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

# Compilers differ in their warnings, so only continuous integration (.ci/run) makes them errors.
set(_bottle_werror OFF)
if("$ENV{BOTTLE_WERROR}")
  set(_bottle_werror ON)
endif()
option(BOTTLE_WERROR "Treat warnings in Bottle's own sources as errors" ${_bottle_werror})
set(BOTTLE_SANITIZE "" CACHE STRING "Sanitizers for Bottle's own sources, for example address,undefined or thread")
# Reading headers is half the time of a build. Precompiled headers hide a missing #include, so the default build does not use
# them.
set(_bottle_precompile OFF)
if(BOTTLE_SANITIZE)
  set(_bottle_precompile ON)
endif()
option(BOTTLE_PRECOMPILE_HEADERS "Precompile the headers that nearly all sources include" ${_bottle_precompile})
# A unit of several files parses headers and instantiates templates once. A change recompiles all files of the unit, so unity
# builds are the default only without tests.
set(_bottle_unity ON)
if(BOTTLE_BUILD_TESTS OR BOTTLE_SANITIZE)
  set(_bottle_unity OFF)
endif()
option(BOTTLE_UNITY_BUILD "Compile several sources of a room as one" ${_bottle_unity})

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(ZLIB REQUIRED)
find_package(CURL REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(BZip2 REQUIRED)
find_package(CLI11 REQUIRED)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(LZMA REQUIRED IMPORTED_TARGET liblzma)
pkg_check_modules(DEFLATE REQUIRED IMPORTED_TARGET libdeflate)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd)
# Headers only: the package's library would slow down each start of a tool.
find_path(BOTTLE_TOML_INCLUDE_DIR toml++/toml.h REQUIRED DOC "The include directory of toml++ (Debian: libtomlplusplus-dev)")
mark_as_advanced(BOTTLE_TOML_INCLUDE_DIR)

option(BOTTLE_TUNE_HEAP "Set up glibc's heap for the tools (src/util/heap.hpp)" ON)
option(BOTTLE_STATIC_LIBRARIES "Link libraries statically if their static form is installed, so that the tools start faster" ON)
set(BOTTLE_LINK_STATIC "${BOTTLE_STATIC_LIBRARIES}")
if(BOTTLE_SANITIZE)
  # Sanitizers intercept the calls between a program and its shared libraries.
  set(BOTTLE_LINK_STATIC OFF)
endif()
# Libraries that are loaded later (libcurl, libmicrohttpd) have their own dependencies, which must not use symbols of the tools.
set(_bottle_quick_start -static-libstdc++ -static-libgcc LINKER:--exclude-libs,ALL LINKER:--as-needed LINKER:--gc-sections
                        LINKER:-z,noseparate-code)
if(BOTTLE_LINK_STATIC)
  check_linker_flag(CXX "${_bottle_quick_start}" BOTTLE_QUICK_START)
endif()

# bottle_library_form(<name> <target of its package> <file of the library>): the target bottle_<name>, which links the
# static form of a library if that is beside the shared one. Each shared library adds at least 0.1 ms to each start of a tool.
function(bottle_library_form name target file)
  add_library(bottle_${name} INTERFACE)
  string(REGEX REPLACE "\\.so$" ".a" static "${file}")
  if(BOTTLE_LINK_STATIC AND EXISTS "${static}")
    target_include_directories(bottle_${name} SYSTEM INTERFACE $<TARGET_PROPERTY:${target},INTERFACE_INCLUDE_DIRECTORIES>)
    # A target and not only a path: the linker gets it before the libraries that it needs itself.
    add_library(bottle_${name}_static STATIC IMPORTED)
    set_property(TARGET bottle_${name}_static PROPERTY IMPORTED_LOCATION "${static}")
    target_link_libraries(bottle_${name} INTERFACE bottle_${name}_static)
  else()
    target_link_libraries(bottle_${name} INTERFACE ${target})
  endif()
endfunction()

# bottle_try_link(<result> <sentence> <source> <program> <library>...): the cache entry <result> is true if a program links
# with one of Bottle's sources that replaces a shared library.
function(bottle_try_link result sentence source program)
  if(NOT BOTTLE_LINK_STATIC)
    set(${result} OFF PARENT_SCOPE)
    return()
  endif()
  if(DEFINED CACHE{${result}})
    return()
  endif()
  message(CHECK_START "${sentence}")
  try_compile(${result} SOURCE_FROM_VAR program.cpp program SOURCE_FROM_FILE source.cpp "${source}"
    LINK_LIBRARIES ${ARGN} CXX_STANDARD 20)
  if(${result})
    message(CHECK_PASS "yes")
  else()
    message(CHECK_FAIL "no: the shared library is used, and tools start more slowly")
  endif()
endfunction()

bottle_library_form(bzip2 BZip2::BZip2 "${BZIP2_LIBRARIES}")
bottle_library_form(crypto OpenSSL::Crypto "${OPENSSL_CRYPTO_LIBRARY}")
bottle_library_form(deflate PkgConfig::DEFLATE "${DEFLATE_LINK_LIBRARIES}")
bottle_library_form(lzma PkgConfig::LZMA "${LZMA_LINK_LIBRARIES}")
bottle_library_form(zlib ZLIB::ZLIB "${ZLIB_LIBRARIES}")
bottle_library_form(zstd PkgConfig::ZSTD "${ZSTD_LINK_LIBRARIES}")
# Since OpenSSL 3.5 Debian's static libcrypto uses both.
if(TARGET bottle_crypto_static)
  target_link_libraries(bottle_crypto_static INTERFACE bottle_zlib bottle_zstd)
endif()

add_library(bottle_options INTERFACE)
target_compile_features(bottle_options INTERFACE cxx_std_20)
target_compile_options(bottle_options INTERFACE -Wall -Wextra -Wconversion -Wshadow -Wno-missing-field-initializers
                                                # GCC 12 warns of std::string's own operator+ (GCC bug 105651).
                                                $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
                                                # Since GCC 13. JsonView is a reference, and GCC takes what it refers to for
                                                # a part of it.
                                                $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_GREATER_EQUAL:$<CXX_COMPILER_VERSION>,13>>:-Wno-dangling-reference>
                                                $<$<BOOL:${BOTTLE_WERROR}>:-Werror>)
target_compile_definitions(bottle_options INTERFACE _FILE_OFFSET_BITS=64 BOTTLE_VERSION="${PROJECT_VERSION}")
target_include_directories(bottle_options INTERFACE "${PROJECT_SOURCE_DIR}/src")
if(BOTTLE_SANITIZE)
  target_compile_options(bottle_options INTERFACE -fsanitize=${BOTTLE_SANITIZE} -fno-omit-frame-pointer -g1
                                                  -fno-sanitize-recover=all
                                                  # Precompiled headers with reproducible bytes, for ccache.
                                                  $<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>)
  target_link_options(bottle_options INTERFACE -fsanitize=${BOTTLE_SANITIZE})
endif()

# bottle_units(<target>): how the sources of a room or a tool are compiled: by BOTTLE_UNITY_BUILD, and with -O2 in Release. -O3,
# CMake's choice, takes a quarter longer to compile. It saves 3 % of the instructions that are not digests or compression.
function(bottle_units target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O2>)
  set_target_properties(${target} PROPERTIES UNITY_BUILD "${BOTTLE_UNITY_BUILD}" UNITY_BUILD_MODE BATCH UNITY_BUILD_BATCH_SIZE 16)
  if(BOTTLE_UNITY_BUILD)
    # The linker drops the unused functions of a unit. GCC warns about anonymous namespaces in the files of a unit, because the
    # unit includes them like headers.
    target_compile_options(${target} PRIVATE -ffunction-sections -fdata-sections
                                             $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  endif()
endfunction()

# bottle_library(<room> SOURCES <file>... [LINK <target>...]): the static library bottle_<room>, linked by that name.
function(bottle_library room)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "SOURCES;LINK")
  add_library(bottle_${room} STATIC ${ARG_SOURCES})
  target_link_libraries(bottle_${room} PUBLIC bottle_options ${ARG_LINK})
  bottle_units(bottle_${room})
  if(BOTTLE_PRECOMPILE_HEADERS AND NOT BOTTLE_UNITY_BUILD)
    target_precompile_headers(bottle_${room} PRIVATE <algorithm> <filesystem> <functional> <map> <memory> <optional> <set> <span>
      <string> <string_view> <vector> <fmt/format.h> <nlohmann/json.hpp>)
  endif()
endfunction()

# bottle_tool(<name> SOURCES <file>... LINK <target>...): an executable in build/bin, installed and exported as bottle::<name>.
function(bottle_tool name)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "SOURCES;LINK")
  set(file "${name}")
  if(name STREQUAL "bottle-lock")
    # In a user's project, bottle-lock is the target that updates locks.
    set(name bottle_lock_tool)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  set_property(TARGET ${name} PROPERTY OUTPUT_NAME "${file}")
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
  bottle_units(${name})
  if(BOTTLE_PRECOMPILE_HEADERS AND NOT BOTTLE_UNITY_BUILD)
    target_precompile_headers(${name} REUSE_FROM bottle_util)
  endif()
  if(BOTTLE_LINK_STATIC AND BOTTLE_QUICK_START)
    target_link_options(${name} PRIVATE ${_bottle_quick_start})
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
  # Multi-config generators append the configuration's name unless the property of each configuration is set.
  foreach(config IN LISTS CMAKE_CONFIGURATION_TYPES)
    string(TOUPPER "${config}" config)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY_${config} "${PROJECT_BINARY_DIR}/bin")
  endforeach()
  string(REPLACE "bottle-" "" short "${file}")
  if(NOT short IN_LIST _bottle_all_tools)
    message(FATAL_ERROR "cmake/BottleToolNames.cmake does not list the tool ${short}")
  endif()
  add_executable(bottle::${short} ALIAS ${name})
  set_property(TARGET ${name} PROPERTY EXPORT_NAME ${short})
  install(TARGETS ${name} EXPORT BottleTargets RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()
