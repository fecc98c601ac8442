// SPDX-License-Identifier: MIT
// A soft core with flash, RAM and the mailbox of port.h, for Verilator; which core is a macro, where memory lies
// are parameters. Memory answers as block RAM does, in the cycle after the address.
//
// What the program stores in the mailbox is printed as "channel value cycle". The run ends with the store to channel 0,
// which also writes RAM to the file of +dump, or early with a line "what address cycle".

module testbench;
  // Addresses, bytes, and the word that RAM is full of at power-on, so that what was used can be seen: simulator.py.
  parameter [31:0] FLASH_ORIGIN = 0, FLASH_BYTES = 4, RAM_ORIGIN = 0, RAM_BYTES = 4, MAILBOX = 0, PAINT = 0;

  reg clk = 0, reset = 1;
  always #1 clk = ~clk;

  reg [31:0] flash [0 : FLASH_BYTES / 4 - 1], ram [0 : RAM_BYTES / 4 - 1];
  reg [8191:0] contents, dump;  // names of files
  reg [63:0] cycle = 0;
  integer k;
  initial begin
    for (k = 0; k < RAM_BYTES / 4; k = k + 1) ram[k] = PAINT;
    if ($value$plusargs("flash=%s", contents)) $readmemh(contents, flash);
  end

  // ---- the core's two ports: a request is one cycle long, its answer comes in the next ----

  wire fetch, access;
  wire [31:0] fetch_address, address, stored;
  wire [3:0] lanes;  // bytes to store; none: a load
  reg [31:0] instruction, loaded;
  reg fetched = 0, answered = 0;
  wire broken;  // the core has stopped: an instruction that it does not know

  wire fetch_in_flash = fetch_address - FLASH_ORIGIN < FLASH_BYTES, in_flash = address - FLASH_ORIGIN < FLASH_BYTES;
  wire in_ram = address - RAM_ORIGIN < RAM_BYTES, in_mailbox = address - MAILBOX < 20;
  wire [31:0] flash_word = (address - FLASH_ORIGIN) >> 2, ram_word = (address - RAM_ORIGIN) >> 2;
  wire [31:0] fetch_word = (fetch_address - FLASH_ORIGIN) >> 2, channel = (address - MAILBOX) >> 2;

  always @(posedge clk) begin
    cycle <= cycle + 1;
    if (cycle == 8) reset <= 0;
    fetched <= fetch;
    answered <= access;
    // A fetch outside flash may be one ahead of a jump: 0 is no instruction, and traps where it is executed.
    if (fetch) instruction <= fetch_in_flash ? flash[fetch_word] : 0;
    if (access && lanes == 0) begin
      loaded <= in_flash ? flash[flash_word] : ram[ram_word];
      if (!in_flash && !in_ram) stop("load");
    end
    if (access && lanes != 0) begin
      for (k = 0; k < 4; k = k + 1) if (in_ram && lanes[k]) ram[ram_word][8 * k +: 8] <= stored[8 * k +: 8];
      if (in_mailbox && lanes == 4'b1111) begin
        $display("%0d %h %0d", channel, stored, cycle);
        $fflush;
        if (channel == 0) finish;
      end else if (!in_ram) stop("store");
    end
    if (broken) stop("trap");
  end

  task stop(input [47:0] why);
    begin
      $display("%0s %h %0d", why, address, cycle);
      $finish;
    end
  endtask

  task finish;
    begin
      if ($value$plusargs("dump=%s", dump)) $writememh(dump, ram);
      $finish;
    end
  endtask

  // ---- the cores ----

`ifdef PICORV32
  // Its one port looks ahead: the address comes a cycle early, so that block RAM never lets it wait.
  wire read, write, coprocessor_asked;
  wire [3:0] write_lanes;
  wire [31:0] word_of_coprocessor;
  assign access = read | write, lanes = write ? write_lanes : 4'b0, fetch = 0, fetch_address = 0;
  // It has no registers of machine mode. The start-up code sets some, which means nothing here and must not end it.
  wire control = coprocessor_asked && word_of_coprocessor[6:0] == 7'b1110011 && word_of_coprocessor[13:12] != 0;
  picorv32 #(.COMPRESSED_ISA(1), .ENABLE_FAST_MUL(1), .ENABLE_DIV(1), .BARREL_SHIFTER(1), .ENABLE_PCPI(1),
             .PROGADDR_RESET(FLASH_ORIGIN)) core (
    .clk(clk), .resetn(~reset), .trap(broken), .mem_ready(1'b1), .mem_rdata(loaded), .irq(32'b0),
    .mem_la_read(read), .mem_la_write(write), .mem_la_addr(address), .mem_la_wdata(stored), .mem_la_wstrb(write_lanes),
    .pcpi_valid(coprocessor_asked), .pcpi_insn(word_of_coprocessor), .pcpi_wr(1'b0), .pcpi_rd(32'b0),
    .pcpi_wait(1'b0), .pcpi_ready(control));
`elsif VEXRISCV
  wire fetch_cycle, access_cycle, writes;
  wire [3:0] select;
  assign fetch = fetch_cycle & ~fetched, access = access_cycle & ~answered, lanes = writes ? select : 4'b0;
  assign fetch_address[1:0] = 0, address[1:0] = 0, broken = 0;
  VexRiscv core (
    .clk(clk), .reset(reset), .externalResetVector(FLASH_ORIGIN),
    .timerInterrupt(1'b0), .softwareInterrupt(1'b0), .externalInterruptArray(32'b0),
    .iBusWishbone_STB(fetch_cycle), .iBusWishbone_ADR(fetch_address[31:2]), .iBusWishbone_ACK(fetched),
    .iBusWishbone_DAT_MISO(instruction), .iBusWishbone_ERR(1'b0),
    .dBusWishbone_STB(access_cycle), .dBusWishbone_ADR(address[31:2]), .dBusWishbone_ACK(answered),
    .dBusWishbone_DAT_MISO(loaded), .dBusWishbone_DAT_MOSI(stored), .dBusWishbone_SEL(select),
    .dBusWishbone_WE(writes), .dBusWishbone_ERR(1'b0));
`elsif SERV
  wire fetch_cycle, access_cycle, writes;
  wire [3:0] select;
  assign fetch = fetch_cycle & ~fetched, access = access_cycle & ~answered, lanes = writes ? select : 4'b0, broken = 0;
  serv_rf_top #(.RESET_PC(FLASH_ORIGIN)) core (
    .clk(clk), .i_rst(reset), .i_timer_irq(1'b0),
    .o_ibus_adr(fetch_address), .o_ibus_cyc(fetch_cycle), .i_ibus_rdt(instruction), .i_ibus_ack(fetched),
    .o_dbus_adr(address), .o_dbus_dat(stored), .o_dbus_sel(select), .o_dbus_we(writes), .o_dbus_cyc(access_cycle),
    .i_dbus_rdt(loaded), .i_dbus_ack(answered), .i_ext_rd(32'b0), .i_ext_ready(1'b0));
`endif
endmodule
