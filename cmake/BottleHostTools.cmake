# SPDX-License-Identifier: Apache-2.0
# The tools inside another project's build. They are programs for the build machine, so a separate project builds them: the
# flags, the build type, the toolchain and the libraries of the enclosing project do not reach them.
include_guard(GLOBAL)

include("${CMAKE_CURRENT_LIST_DIR}/BottleToolNames.cmake")
set(BOTTLE_TOOLS "${_bottle_all_tools}" CACHE STRING "The tools of Bottle to build")
set(BOTTLE_TOOLS_CMAKE_ARGS "" CACHE STRING "Arguments of cmake for the tools of Bottle, for example -DCMAKE_CXX_COMPILER=g++-13")
mark_as_advanced(BOTTLE_TOOLS BOTTLE_TOOLS_CMAKE_ARGS)

# bottle-lock is a user's target; see bottle_tool().
set(_bottle_targets "")
set(_bottle_programs "")
set(_bottle_directory "${PROJECT_BINARY_DIR}/tools")
foreach(_bottle_tool IN LISTS BOTTLE_TOOLS)
  if(NOT _bottle_tool IN_LIST _bottle_all_tools)
    list(JOIN _bottle_all_tools ", " _bottle_all_tools)
    message(FATAL_ERROR "Bottle: BOTTLE_TOOLS contains \"${_bottle_tool}\": expected some of ${_bottle_all_tools}")
  endif()
  list(APPEND _bottle_programs "${_bottle_directory}/bin/bottle-${_bottle_tool}")
  list(APPEND _bottle_targets "bottle-${_bottle_tool}")
endforeach()
list(TRANSFORM _bottle_targets REPLACE "^bottle-lock$" bottle_lock_tool)

# One configuration is enough, whatever configurations the enclosing project has. Its compiler is that of the build machine
# unless a toolchain file chose it.
set(_bottle_generator "${CMAKE_GENERATOR}")
if(_bottle_generator STREQUAL "Ninja Multi-Config")
  set(_bottle_generator "Ninja")
endif()
set(_bottle_options -DCMAKE_BUILD_TYPE=Release -DBOTTLE_BUILD_TESTS=OFF "-DCMAKE_MAKE_PROGRAM=${CMAKE_MAKE_PROGRAM}")
if(CMAKE_CXX_COMPILER AND NOT CMAKE_TOOLCHAIN_FILE AND NOT CMAKE_CROSSCOMPILING)
  list(APPEND _bottle_options "-DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER}")
endif()
if(CMAKE_CXX_COMPILER_LAUNCHER)
  string(REPLACE ";" "\\;" _bottle_launcher "${CMAKE_CXX_COMPILER_LAUNCHER}")
  list(APPEND _bottle_options "-DCMAKE_CXX_COMPILER_LAUNCHER=${_bottle_launcher}")
endif()

# CMake and the compilers take flags and places from these too.
set(_bottle_environment "${CMAKE_COMMAND}" -E env)
foreach(_bottle_variable IN ITEMS CXX CXXFLAGS CPPFLAGS LDFLAGS CMAKE_TOOLCHAIN_FILE CMAKE_BUILD_TYPE CMAKE_GENERATOR
        CPATH CPLUS_INCLUDE_PATH LIBRARY_PATH)
  list(APPEND _bottle_environment "--unset=${_bottle_variable}")
endforeach()

message(STATUS "Bottle: configuring the tools in ${_bottle_directory}")
execute_process(
  COMMAND ${_bottle_environment} "${CMAKE_COMMAND}" -S "${PROJECT_SOURCE_DIR}" -B "${_bottle_directory}" -G "${_bottle_generator}"
          ${_bottle_options} ${BOTTLE_TOOLS_CMAKE_ARGS}
  OUTPUT_VARIABLE _bottle_output ERROR_VARIABLE _bottle_output RESULT_VARIABLE _bottle_status)
if(NOT _bottle_status EQUAL 0)
  message(FATAL_ERROR "Bottle: the tools cannot be configured; the packages they need are in "
    "${PROJECT_SOURCE_DIR}/dependencies.txt:\n${_bottle_output}")
endif()

# Not rewritten if nothing changes. A file that is added or removed changes a CMakeLists.txt.
file(CONFIGURE OUTPUT "${_bottle_directory}/options.txt" CONTENT "${_bottle_options} ${BOTTLE_TOOLS} ${BOTTLE_TOOLS_CMAKE_ARGS}\n" @ONLY)
file(GLOB_RECURSE _bottle_sources "${PROJECT_SOURCE_DIR}/src/*" "${PROJECT_SOURCE_DIR}/tools/*" "${PROJECT_SOURCE_DIR}/cmake/*")
set(_bottle_build "${CMAKE_COMMAND}" --build "${_bottle_directory}" --target)
if(CMAKE_GENERATOR MATCHES "Makefiles")
  set(_bottle_build "$(MAKE)" -C "${_bottle_directory}")  # as many processes as the enclosing make may start
endif()
add_custom_command(OUTPUT "${_bottle_directory}/built.stamp" BYPRODUCTS ${_bottle_programs}
  COMMAND ${_bottle_environment} ${_bottle_build} ${_bottle_targets}
  COMMAND "${CMAKE_COMMAND}" -E touch "${_bottle_directory}/built.stamp"
  DEPENDS ${_bottle_sources} "${PROJECT_SOURCE_DIR}/CMakeLists.txt" "${_bottle_directory}/options.txt"
  COMMENT "Building the tools of Bottle" USES_TERMINAL VERBATIM)
add_custom_target(bottle-tools DEPENDS "${_bottle_directory}/built.stamp")
foreach(_bottle_tool IN LISTS BOTTLE_TOOLS)
  add_executable(bottle::${_bottle_tool} IMPORTED GLOBAL)
  set_property(TARGET bottle::${_bottle_tool} PROPERTY IMPORTED_LOCATION "${_bottle_directory}/bin/bottle-${_bottle_tool}")
  add_dependencies(bottle::${_bottle_tool} bottle-tools)
endforeach()
