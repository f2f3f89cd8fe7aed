// Progressive enhancement of the pages: polling, charts and keys. Every page works without this file.
"use strict";

(() => {
  const main = () => document.getElementById("main");

  // Polling. The whole page is requested again at its present address; htmx changes only what differs.
  const isPoll = (detail) => detail.ctx.sourceElement.id === "main";

  document.addEventListener("htmx:config:request", (event) => {
    if (!isPoll(event.detail)) return;
    if (document.hidden) event.preventDefault();
    event.detail.ctx.request.action = location.pathname + location.search;
  });

  document.addEventListener("htmx:before:swap", (event) => {
    const {response} = event.detail.ctx;
    if (!response) return;
    const isLoggedOut = response.raw.redirected && new URL(response.raw.url).pathname === "/login";
    if (isPoll(event.detail) && (response.status >= 400 || isLoggedOut)) event.preventDefault();
    if (isLoggedOut) location.reload();
  });

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refresh();
  });
  window.addEventListener("popstate", () => refresh());

  const refresh = () => main()?.dispatchEvent(new Event("refresh"));

  // Keys.
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const search = document.getElementById("search");
      if (search) {
        event.preventDefault();
        search.focus();
        search.select();
      }
    }
  });

  // Charts.
  const plots = new Map();
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const two = (number) => String(number).padStart(2, "0");
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

  const writeTime = (seconds) => {
    const at = new Date(seconds * 1000);
    return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]} ${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
  };
  const writeTick = (seconds) => {
    const at = new Date(seconds * 1000);
    const [hours, minutes] = [at.getUTCHours(), at.getUTCMinutes()];
    if (hours === 0 && minutes === 0) return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}`;
    return `${two(hours)}:${two(minutes)}`;
  };
  const writeValue = (value, unit) => {
    if (value === null || value === undefined) return "–";
    const text = Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
    return unit ? `${text} ${unit}` : text;
  };

  const lines = (chart) => {
    const list = [];
    for (const one of chart.series) {
      const name = one.segment ? "--hot" : "--line";
      list.push({label: one.name, values: one.value, stroke: name, width: 2, fill: one.segment ? "--hot-band" : "--band", one});
    }
    if (chart.threshold.some((value) => value !== null)) {
      list.push({label: "threshold", values: chart.threshold, stroke: "--bad", width: 1.25, dash: [2, 3]});
    }
    if (chart.baseline !== null) {
      list.push({label: "baseline", values: chart.times.map(() => chart.baseline), stroke: "--bound", width: 1.25, dash: [6, 4]});
    }
    return list;
  };

  const columns = (chart) => {
    const data = [chart.times];
    const series = [{}];
    const bands = [];
    for (const line of lines(chart)) {
      if (line.one && line.one.low.some((value) => value !== null)) {
        data.push(line.one.high, line.one.low);
        series.push({stroke: null, points: {show: false}}, {stroke: null, points: {show: false}});
        bands.push({series: [data.length - 2, data.length - 1], fill: () => color(line.fill)});
      }
      data.push(line.values);
      series.push({
        stroke: () => color(line.stroke),
        width: line.width,
        dash: line.dash,
        points: {show: line.one && line.values.filter((value) => value !== null).length === 1},
      });
    }
    return {data, series, bands};
  };

  const paintBelow = (chart) => (plot) => {
    const {ctx, bbox} = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.fillStyle = color("--shade");
    for (const span of chart.spans) {
      const left = plot.valToPos(span.start, "x", true);
      ctx.fillRect(left, bbox.top, Math.max(2, plot.valToPos(span.end, "x", true) - left), bbox.height);
    }
    ctx.restore();
  };

  const paintAbove = (chart) => (plot) => {
    const {ctx, bbox} = plot;
    const unit = devicePixelRatio;
    ctx.save();
    ctx.font = `${12 * unit}px system-ui, sans-serif`;
    ctx.strokeStyle = ctx.fillStyle = color("--ink");
    ctx.setLineDash([1.5 * unit, 3 * unit]);
    let free = -Infinity;
    for (const mark of [...chart.marks].sort((a, b) => a.at - b.at)) {
      const x = plot.valToPos(mark.at, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top - 6 * unit);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      const text = mark.label.replace("first seen: ", "");
      const width = ctx.measureText(text).width;
      const fits = x + 6 * unit + width < bbox.left + bbox.width;
      if (x > free) {
        ctx.textAlign = fits ? "left" : "right";
        ctx.fillText(text, fits ? x + 6 * unit : x - 6 * unit, bbox.top - 8 * unit);
        free = x + width;
      }
    }
    ctx.restore();
  };

  const describe = (chart, index) => {
    const parts = chart.series.map((one) => {
      const interval = one.low[index] === null ? "" : ` (${writeValue(one.low[index])}–${writeValue(one.high[index], chart.unit)})`;
      return `${one.name} ${writeValue(one.value[index], chart.unit)}${interval}`;
    });
    if (chart.threshold[index] !== null) parts.push(`threshold ${writeValue(chart.threshold[index], chart.unit)}`);
    if (chart.baseline !== null) parts.push(`baseline ${writeValue(chart.baseline, chart.unit)}`);
    return `${writeTime(chart.times[index])} UTC: ${parts.join(", ")}`;
  };

  const zoom = (from, to) => {
    const address = new URL(location.href);
    address.searchParams.set("from", new Date(from * 1000).toISOString().slice(0, 19) + "Z");
    address.searchParams.set("to", new Date(to * 1000).toISOString().slice(0, 19) + "Z");
    history.pushState(null, "", address);
    refresh();
  };
  const resetZoom = () => {
    const address = new URL(location.href);
    if (!address.searchParams.has("from")) return;
    address.searchParams.delete("from");
    address.searchParams.delete("to");
    history.pushState(null, "", address);
    refresh();
  };

  const makePlot = (box, chart) => {
    const {data, series, bands} = columns(chart);
    const axis = {stroke: () => color("--quiet"), grid: {stroke: () => color("--rule"), width: 1}, ticks: {show: false}, font: "12px system-ui, sans-serif"};
    const readout = box.parentElement.querySelector(".readout");
    const hint = readout.textContent;
    const plot = new uPlot({
      width: box.clientWidth,
      height: Math.max(200, Math.min(300, Math.round(box.clientWidth * 0.36))),
      padding: [22, 8, 0, 0],
      legend: {show: false},
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      scales: {
        x: {range: [chart.start, chart.end]},
        y: {range: (_, low, high) => uPlot.rangeNum(Math.min(0, low ?? 0), (high ?? 1) || 1, {min: {pad: 0, soft: 0, mode: 1}, max: {pad: 0.08}})},
      },
      axes: [
        {...axis, values: (_, ticks) => ticks.map(writeTick), space: 70, size: 32, grid: {show: false}},
        {...axis, size: 56, values: (_, ticks) => ticks.map((tick) => writeValue(tick, chart.unit))},
      ],
      cursor: {y: false, drag: {x: true, y: false, setScale: false}, sync: {key: "driftd"}, points: {size: 7}, bind: {dblclick: () => () => resetZoom()}},
      series,
      bands,
      hooks: {
        drawClear: [paintBelow(chart)],
        draw: [paintAbove(chart)],
        setCursor: [(plot) => { readout.textContent = Number.isInteger(plot.cursor.idx) && plot.cursor.left >= 0 ? describe(chart, plot.cursor.idx) : hint; }],
        setSelect: [(plot) => {
          const {left, width} = plot.select;
          if (width < 5) return;
          const [from, to] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
          plot.setSelect({left: 0, width: 0, top: 0, height: 0}, false);
          zoom(from, to);
        }],
      },
    }, data, box);
    plot.root.setAttribute("aria-hidden", "true");
    return plot;
  };

  const moveCursor = (event) => {
    const entry = plots.get(event.currentTarget);
    if (!entry) return;
    if (event.key === "Escape") resetZoom();
    const step = {ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10}[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const {plot, chart} = entry;
    const last = chart.times.length - 1;
    const now = Number.isInteger(plot.cursor.idx) ? plot.cursor.idx + step : step < 0 ? last : 0;
    const index = Math.max(0, Math.min(last, now));
    plot.setCursor({left: plot.valToPos(chart.times[index], "x"), top: 10});
  };

  const showCharts = () => {
    for (const box of [...plots.keys()]) {
      if (!box.isConnected) {
        plots.get(box).plot.destroy();
        plots.delete(box);
      }
    }
    for (const box of document.querySelectorAll("[data-chart]")) {
      const text = box.dataset.chart;
      const known = plots.get(box);
      if (known?.text === text && known.width === box.clientWidth) continue;
      const chart = JSON.parse(text);
      known?.plot.destroy();
      if (!known) box.addEventListener("keydown", moveCursor);
      box.classList.toggle("drawn", chart.times.length > 0);
      if (chart.times.length === 0) continue;
      plots.set(box, {plot: makePlot(box, chart), chart, text, width: box.clientWidth});
    }
  };

  let waiting = 0;
  const showSoon = () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(showCharts);
  };
  window.addEventListener("resize", showSoon);
  document.addEventListener("htmx:after:swap", showSoon);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const {plot} of plots.values()) plot.redraw();
  });
  showCharts();
})();
